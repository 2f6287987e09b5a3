from __future__ import annotations

from tests.checks.verbs import account, finds, is_clear, line
from unslow.checks import all_checks
from unslow.evidence.cluster import Network, NodeNetwork
from unslow.finding import Skipped
from unslow.measure.in_app import FIXED_PLACE

OPENING = account(line("network", FIXED_PLACE["connect"], 60.0))


def table(count: int, size: int = 1000, drops: int | None = None) -> Network:
    return Network(parts=(NodeNetwork(name="n", conntrack_count=count, conntrack_max=size, conntrack_drops=drops),))


def test_a_full_table_that_drops() -> None:
    found = finds("conntrack_full", 60.0, network=table(990, drops=400), account=OPENING)
    assert "990 of 1000 entries (99%), 400 dropped" in found.because


def test_nearly_full_and_nothing_dropped_is_a_warning() -> None:
    assert finds("conntrack_full", 0.0, network=table(950), account=OPENING).confidence < 0.5


def test_it_claims_new_connections_alone() -> None:
    finds("conntrack_full", 0.0, network=table(990, drops=400), account=account(line("network", "between", 60.0)))


def test_at_six_sevenths() -> None:
    is_clear("conntrack_full", network=table(890), account=OPENING)


def test_drops_by_a_race_in_an_empty_table() -> None:
    is_clear("conntrack_full", network=table(100, drops=50), account=OPENING)


def test_no_table_was_read() -> None:
    outcome = all_checks()["conntrack_full"](network=Network(parts=(NodeNetwork(name="n"),)), account=OPENING)
    assert isinstance(outcome, Skipped)
    assert "connection tables" in outcome.missing
