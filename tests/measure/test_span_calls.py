from __future__ import annotations

import pytest

from unslow.evidence.span import Kind, Span
from unslow.evidence.spans import Spans
from unslow.measure.span_table import INCOMPLETE, summarise

MS = 1_000_000


def span(
    trace: int,
    id: str,
    parent: str | None,
    service: str,
    kind: Kind,
    start: int,
    end: int,
    url: str = "",
    name: str = "",
) -> Span:
    attributes = (("http.url", url),) if url else ()
    return Span(
        f"t{trace}", id, parent, service, name or kind, kind, start * MS, (end - start) * MS, "unset", attributes
    )


def request(trace: int, ledger_ms: int = 50, *, reported: bool = True) -> list[Span]:
    """shop -> bank -> ledger, 5 ms each way of the first call and 1 ms of the second."""
    end = 30 + ledger_ms
    spans = [
        span(trace, "a", None, "shop", "server", 0, end + 20),
        span(trace, "b", "a", "shop", "client", 10, end + 10, "http://bank:1/x"),
        span(trace, "c", "b", "bank", "server", 15, end + 5),
        span(trace, "d", "c", "bank", "client", 29, end + 1, "http://ledger:2/y"),
    ]
    return [*spans, span(trace, "e", "d", "ledger", "server", 30, end)] if reported else spans


def table(*requests: list[Span]) -> Spans:
    return summarise([one for spans in requests for one in spans])


def test_the_way_between_two_services_is_what_neither_end_spends():
    summed = table(request(1), request(2))
    assert summed.service == "shop"
    ways = {(call.caller, call.callee): call.critical_s for call in summed.calls}
    assert ways == pytest.approx({("shop", "bank"): 0.010, ("bank", "ledger"): 0.002})
    assert all(call.traced and call.calls_per_trace == 1 for call in summed.calls)


def test_a_service_that_is_not_traced_is_known_by_its_address():
    only = span(1, "b", "a", "shop", "client", 10, 60, "http://maps.example:80/route")
    (call,) = table([span(1, "a", None, "shop", "server", 0, 100), only]).calls
    assert (call.callee, call.traced, call.critical_s) == ("maps.example:80", False, pytest.approx(0.05))


def test_a_database_is_no_service():
    query = Span(
        "t1",
        "b",
        "a",
        "shop",
        "SELECT",
        "client",
        0,
        50 * MS,
        "unset",
        (("db.system", "postgresql"), ("server.address", "db")),
    )
    assert table([span(1, "a", None, "shop", "server", 0, 100), query]).calls == ()


def test_a_trace_whose_last_service_has_not_reported_is_left_out_and_counted():
    summed = table(request(1), request(2), request(3), request(4, reported=False))
    assert summed.traces == 3
    assert dict(summed.excluded) == {INCOMPLETE: 1}
    assert {one.service: one.critical_s for one in summed.operations if one.kind == "server"}[
        "ledger"
    ] == pytest.approx(0.05)


def test_where_most_lack_it_nothing_is_left_out():
    summed = table(request(1), *(request(number, reported=False) for number in range(2, 8)))
    assert summed.traces == 7


def test_the_typical_and_the_slow_request():
    summed = table(*(request(number, ledger_ms=50 + number) for number in range(20)))
    typical, slow = summed.examples
    assert (typical.kind, slow.kind) == ("typical", "slow")
    assert typical.duration_s == pytest.approx(0.109)
    assert slow.duration_s == pytest.approx(0.119)
    assert [bar.service for bar in slow.bars] == ["shop", "shop", "bank", "bank", "ledger"]
    assert [bar.depth for bar in slow.bars] == [0, 1, 2, 3, 4]
    assert sum(end - start for bar in slow.bars for start, end in bar.critical) == pytest.approx(slow.duration_s)
