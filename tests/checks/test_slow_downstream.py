from __future__ import annotations

import msgspec

from tests.checks.cluster import stopped_dependency
from tests.checks.verbs import account, finds, is_clear, line, peer, sockets
from tests.measure.test_span_calls import request, table
from unslow.measure.account import Line
from unslow.measure.quantities import Estimate
from unslow.ranking import SURE_ENOUGH


def test_a_call_that_dominates() -> None:
    found = finds(
        "slow_downstream",
        70.0,
        account=account(line("downstream", "calls to billing", 70.0, detail="127.0.0.1:9000")),
        sockets=sockets(peer(busy_mean=1.4)),
    )
    assert found.confidence < SURE_ENOUGH, "a queue is not the consequence of what may be normal"


def test_a_called_service_that_its_quota_stops() -> None:
    slow = account(line("downstream", "calls to billing", 70.0, detail="127.0.0.1:9000"))
    found = finds(
        "slow_downstream", 70.0, account=slow, sockets=sockets(peer()), services=stopped_dependency("billing", 0.6)
    )
    assert "billing-1 behind it is stopped by its CPU limit in 60% of its periods" in found.because
    assert found.next_steps[0].startswith("raise the CPU limit of container app in billing-1")
    assert found.confidence >= SURE_ENOUGH


def test_a_called_service_that_is_rarely_stopped_or_another_one() -> None:
    slow = account(line("downstream", "calls to billing", 70.0, detail="127.0.0.1:9000"))
    for services in (stopped_dependency("billing", 0.2), stopped_dependency("mail", 0.6)):
        found = finds("slow_downstream", 70.0, account=slow, sockets=sockets(peer()), services=services)
        assert "CPU limit" not in f"{found.because} {found.next_steps}"


def test_a_normal_call_without_a_reference() -> None:
    is_clear("slow_downstream", account=account(line("downstream", "calls to billing", 24.0)), sockets=sockets(peer()))


def test_a_call_that_was_always_that_slow() -> None:
    is_clear(
        "slow_downstream",
        account=account(line("downstream", "calls to billing", 70.0, 68.0), before_ms=98.0),
        sockets=sockets(peer()),
    )


def test_the_way_is_not_the_work() -> None:
    is_clear("slow_downstream", account=account(line("network", "between here and billing", 70.0, detail="x")))


def test_with_traces_the_service_at_the_end_of_the_chain_is_named() -> None:
    spans = table(*(request(number) for number in range(8)))
    lines = (
        traced(line("downstream", "bank: server", 20.0, 19.0), "bank"),
        traced(line("downstream", "ledger: server", 60.0, 5.0), "ledger"),
    )
    found = finds("slow_downstream", account=account(*lines, before_ms=45.0), spans=spans)
    assert found.title == "ledger: server is slow"
    assert found.place == "ledger: server"
    assert "by way of bank" in found.because
    assert "diagnose ledger" in found.next_steps[0]
    assert found.confidence >= SURE_ENOUGH


def traced(one: Line, service: str) -> Line:
    return msgspec.structs.replace(one, service=service, evidence=("profile", "spans"))


def test_a_call_that_holds_the_workers_behind_a_long_queue() -> None:
    held = account(line("queue", "waiting for a worker", 5000.0), line("downstream", "calls", 445.0), now_ms=5445.0)
    held = msgspec.structs.replace(held, in_app=Estimate(0.45, 0.01, 100))
    assert finds("slow_downstream", 445.0, account=held, sockets=sockets(peer())).confidence >= SURE_ENOUGH
    brief = account(line("queue", "waiting for a worker", 900.0), line("downstream", "calls", 80.0), now_ms=980.0)
    is_clear(
        "slow_downstream",
        account=msgspec.structs.replace(brief, in_app=Estimate(0.08, 0.01, 100)),
        sockets=sockets(peer()),
    )
