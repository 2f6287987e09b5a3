from __future__ import annotations

import pytest

from unslow.evidence.span import Span
from unslow.measure import span_table
from unslow.measure.span_table import serves, summarise

MS = 1_000_000


def span(
    span_id: str,
    parent: str | None,
    service: str,
    name: str,
    kind: str,
    start: int,
    end: int,
    trace: str = "t",
    **attributes: str,
) -> Span:
    pairs = tuple((key.replace("_", "."), value) for key, value in attributes.items())
    return Span(trace, span_id, parent, service, name, kind, start * MS, (end - start) * MS, "unset", pairs)


def shop(trace: str = "t", queries: int = 3) -> list[Span]:
    """front (0..100) calls back (10..90 client, 20..80 server), which asks its store `queries` times."""
    spans = [
        span("1", None, "front", "GET /cart", "server", 0, 100, trace),
        span("2", "1", "front", "GET", "client", 10, 90, trace),
        span("3", "2", "back", "GET /items/<int:id>", "server", 20, 80, trace, http_route="/items/<int:id>"),
    ]
    spans += [span(f"q{i}", "3", "back", "SELECT", "client", 20 + 10 * i, 25 + 10 * i, trace) for i in range(queries)]
    return spans


def row(spans, service: str, name: str, kind: str):
    (found,) = [one for one in spans.operations if (one.service, one.name, one.kind) == (service, name, kind)]
    return found


def test_the_critical_times_of_all_operations_sum_to_the_mean_duration():
    summed = summarise(shop())
    assert sum(one.critical_s for one in summed.operations) == pytest.approx(0.100)
    assert row(summed, "back", "SELECT", "client").critical_s == pytest.approx(0.015)
    assert row(summed, "back", "GET /items/<int:id>", "server").self_s == pytest.approx(0.045)


def test_calls_per_trace_show_a_repeated_query():
    summed = summarise(shop("t1", 5) + shop("t2", 3))
    select = row(summed, "back", "SELECT", "client")
    assert (summed.traces, select.calls, select.calls_per_trace) == (2, 8, 4.0)


def test_network_is_client_less_server_between_services():
    summed = summarise(shop())
    assert summed.network_s == pytest.approx(0.020)
    assert summed.network_calls == 1  # the database client has no server span under it


def test_a_server_that_outlives_its_client_says_nothing_of_the_network():
    spans = [span("1", None, "a", "x", "client", 0, 10), span("2", "1", "b", "x", "server", 1, 50)]
    assert summarise(spans).network_s is None


def test_a_target_service_counts_from_its_own_entry():
    summed = summarise(shop(), target_service="back")
    assert sum(one.critical_s for one in summed.operations) == pytest.approx(0.060)
    assert {one.service for one in summed.operations} == {"back"}


def test_a_path_selects_requests_by_route_with_variables():
    assert summarise(shop(), "back", "/items/17?full=1").traces == 1
    assert summarise(shop(), "back", "/items").traces == 0
    assert summarise(shop(), "front", "/cart").traces == 1


def test_a_call_back_into_the_target_is_part_of_its_outer_entry():
    spans = [
        span("1", None, "a", "x", "server", 0, 100),
        span("2", "1", "b", "y", "server", 10, 90),
        span("3", "2", "a", "z", "server", 20, 80),
    ]
    assert summarise(spans, "a").traces == 1


@pytest.mark.parametrize(
    ("url", "path", "expected"),
    [
        ("http://h:1/a/b?x=1", "/a/b", True),
        ("http://h:1", "/", True),
        ("/a/{id}", "/a/7", True),
        ("/a/:id", "/a/7", True),
        ("/a/:id", "/a/", False),
        ("/a/<id>/c", "/a/7/d", False),
        ("/a", "/a/b", False),
    ],
)
def test_routes(url, path, expected):
    assert serves(span("1", None, "s", "n", "server", 0, 1, http_route=url), path) is expected


def test_counts_of_the_reader_and_of_the_trees_are_added():
    spans = [*shop(), span("9", "gone", "x", "x", "server", 0, 1)]
    assert summarise(spans, excluded=(("orphan", 2), ("no id", 1))).excluded == (("no id", 1), ("orphan", 3))


def test_only_the_largest_operations_are_kept_and_the_rest_counted(monkeypatch):
    monkeypatch.setattr(span_table, "MAX_OPERATIONS", 1)
    summed = summarise(shop())
    assert [one.name for one in summed.operations] == ["GET /items/<int:id>"]
    assert summed.excluded == ((span_table.TOO_MANY, 5),)


def test_no_spans_is_no_traces():
    assert summarise([]).traces == 0
