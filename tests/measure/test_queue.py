from __future__ import annotations

import msgspec
import pytest

from tests.checks.verbs import cpu, sockets
from tests.evidences import evidence
from unslow.measure.queue import queue_part


def test_littles_law() -> None:
    part = queue_part(evidence(sockets=sockets(queued=2.0, unread=1.0)), 1.0)
    assert part is not None
    assert part.seconds == pytest.approx(3.0 / 20.0)


def test_nobody_waits_longer_than_the_whole_request() -> None:
    part = queue_part(evidence(sockets=sockets(queued=50.0)), 1.0)
    assert part is not None
    assert part.seconds == 1.0


def test_without_a_rate_the_proportion_is_known() -> None:
    uncounted = msgspec.structs.replace(sockets(queued=3.0), requests_per_s=None)
    part = queue_part(evidence(sockets=uncounted, cpu=cpu(busy_mean=1.0)), 0.4)
    assert part is not None
    assert part.seconds == pytest.approx(0.3)
    assert queue_part(evidence(sockets=uncounted), 0.4) is None


def test_an_unread_port_is_unknown_not_empty() -> None:
    assert queue_part(evidence(), 1.0) is None
    assert queue_part(evidence(sockets=msgspec.structs.replace(sockets(), readings=0)), 1.0) is None
