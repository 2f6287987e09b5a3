from __future__ import annotations

import pytest

from tests.checks.verbs import peer, sockets
from tests.evidences import evidence
from unslow.measure.downstream import downstream_parts
from unslow.measure.part import Part

STACKS = [Part(kind="downstream", place="view (app.py)", seconds=0.080, se_s=0.002)]


def test_a_busy_server_spends_the_time_itself() -> None:
    (part,) = downstream_parts(evidence(sockets=sockets(peer(busy_mean=1.7))), STACKS)
    assert (part.kind, part.place, part.seconds) == ("downstream", "calls to billing", 0.080)


def test_an_idle_server_leaves_the_time_on_the_way() -> None:
    parts = downstream_parts(evidence(sockets=sockets(peer(busy_mean=0.1, waiting_mean=0.1))), STACKS)
    assert {part.kind: part.seconds for part in parts} == {
        "downstream": pytest.approx(0.010),
        "network": pytest.approx(0.070),
    }


def test_a_server_elsewhere_cannot_be_told_from_the_way() -> None:
    (part,) = downstream_parts(evidence(sockets=sockets(peer())), STACKS)
    assert part.kind == "downstream"


def test_several_services_stay_with_the_function_that_calls() -> None:
    two = sockets(peer(busy_mean=0.1), peer(address="127.0.0.1:9001", busy_mean=0.1))
    assert downstream_parts(evidence(sockets=two), STACKS) == tuple(STACKS)


def test_several_services_share_the_time_as_their_answers_were_awaited() -> None:
    quick = peer(busy_mean=0.4, asked_mean=0.4)
    relayed = peer(address="127.0.0.1:9001", name="stock", busy_mean=0.1, asked_mean=1.2)
    parts = downstream_parts(evidence(sockets=sockets(quick, relayed)), STACKS)
    assert {(part.kind, part.detail): part.seconds for part in parts} == {
        ("downstream", "127.0.0.1:9000"): pytest.approx(0.020),
        ("downstream", "127.0.0.1:9001"): pytest.approx(0.005),
        ("network", "127.0.0.1:9001"): pytest.approx(0.055),
    }
