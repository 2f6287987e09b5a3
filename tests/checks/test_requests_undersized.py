from __future__ import annotations

from tests.checks.cluster import FULL, IDLE, MIB, container, pod, pods, usage
from tests.checks.verbs import account, finds, is_clear, line
from unslow.checks import all_checks
from unslow.finding import Skipped

WAITING = account(line("cpu contended", "waiting for a free core (cpu code)", 60.0))
BORROWER = pods(pod("a", container(usage=usage(cores=0.8, cores_p95=0.9, looked_back_s=7200.0))))


def test_use_far_above_the_request_on_a_full_node() -> None:
    found = finds("requests_undersized", 60.0, pods=BORROWER, nodes=FULL, account=WAITING)
    assert "uses 800m of CPU and reserves 250m" in found.because
    assert "1.15 x p95 of 0.900 cores" in found.next_steps[0]


def test_memory_above_its_request() -> None:
    heavy = pods(pod("a", container(usage=usage(memory_bytes=250 * MIB))))
    assert "holds 250 MiB and reserves 128 MiB" in finds("requests_undersized", pods=heavy, nodes=FULL).because


def test_just_within_a_fifth_above() -> None:
    near = pods(pod("a", container(usage=usage(cores=0.299))))
    is_clear("requests_undersized", pods=near, nodes=FULL, account=WAITING)


def test_a_node_that_has_cores_to_lend() -> None:
    is_clear("requests_undersized", pods=BORROWER, nodes=IDLE, account=WAITING)


def test_use_that_was_not_read() -> None:
    unread = pods(pod("a", container(usage=None)))
    assert isinstance(all_checks()["requests_undersized"](pods=unread), Skipped)
