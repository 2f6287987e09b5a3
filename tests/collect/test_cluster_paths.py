from __future__ import annotations

import pytest

from unslow.collect.cluster_paths import busiest_path, latency, of_one_process, same_process, slowest
from unslow.collect.cluster_shares import of_one_pod, of_window, share_of
from unslow.evidence.cluster import Latency
from unslow.evidence.queries import Queries, Statement


def page(started: float, *routes: tuple[str, str, float, float]) -> str:
    lines = [f"process_start_time_seconds {started}"]
    for route, method, count, total in routes:
        labels = f'method="{method}",route="{route}"'
        lines += [
            f"http_request_duration_seconds_count{{{labels}}} {count}",
            f"http_request_duration_seconds_sum{{{labels}}} {total}",
        ]
    return "\n".join(lines)


def test_the_route_with_most_time_that_can_be_requested() -> None:
    text = page(
        1,
        ("/health", "GET", 900, 90),
        ("/items/<id>", "GET", 10, 50),
        ("/orders", "POST", 10, 40),
        ("/search", "GET", 10, 30),
        ("/items", "GET", 99, 20),
    )
    assert busiest_path(text) == "/search"
    assert busiest_path("up 1\n") == ""
    assert busiest_path("") == ""


def test_latency_is_of_one_process_and_without_probes() -> None:
    first = page(1, ("/items", "GET", 10, 1.0), ("/health", "GET", 10, 0.1))
    last = page(1, ("/items", "GET", 30, 3.0), ("/health", "GET", 900, 9.0))
    found = latency(first, last, 10.0)
    assert found is not None
    assert (found.requests, found.mean_s, found.requests_per_s) == (20.0, pytest.approx(0.1), 2.0)
    assert latency(first, page(2, ("/items", "GET", 30, 3.0)), 10.0) is None
    assert latency(first, first, 10.0) is None
    assert same_process(first, last)
    assert of_one_process(first)
    assert not of_one_process("up 1")


def test_requests_are_of_all_workers_and_of_the_window() -> None:
    found = of_window(Latency(requests=30.0, mean_s=0.1, requests_per_s=3.0), 2, 5.0)
    assert (found.requests, found.requests_per_s) == (30.0, 6.0)


def test_the_share_of_a_pod_leaves_our_own_requests_out() -> None:
    latencies = {"a": Latency(requests=60.0, mean_s=0.1), "b": Latency(requests=40.0, mean_s=0.1)}
    assert share_of("a", latencies, 20, 2) == 0.5
    assert share_of("a", {"a": latencies["a"]}, 0, 4) == 0.25
    assert share_of("a", {}, 0, 0) == 1.0


def test_counters_of_all_pods_become_one_pods_and_say_so() -> None:
    statement = Statement(query_id="1", text="SELECT", calls=100.0, exec_s=2.0, rows=100.0, lifetime_calls=1000.0)
    queries = Queries(
        address="db:5432", version="16", seconds=10.0, statements=(statement,), connections_opened_per_s=4.0
    )
    found = of_one_pod(queries, 0.25, 4)
    assert found.statements is not None
    assert (found.statements[0].calls, found.statements[0].exec_s, found.statements[0].lifetime_calls) == (
        25.0,
        0.5,
        250.0,
    )
    assert found.connections_opened_per_s == 1.0
    assert "4 pods" in found.notes[0]
    assert of_one_pod(queries, 1.0, 1) is queries


def test_the_pod_that_has_been_slower_than_its_twins_is_looked_into() -> None:
    quick, slow = page(1, ("/items", "GET", 90, 1.8)), page(2, ("/items", "GET", 40, 8.0))
    assert slowest({"a": quick, "b": slow, "c": quick}) == "b"


def test_pods_that_are_alike_few_requests_or_one_page_choose_nobody() -> None:
    quick, near = page(1, ("/items", "GET", 90, 1.8)), page(2, ("/items", "GET", 90, 2.6))
    rare = page(3, ("/items", "GET", 5, 5.0))
    assert slowest({"a": quick, "b": near}) == ""
    assert slowest({"a": quick, "b": rare}) == ""
    assert slowest({"b": rare}) == ""
    assert slowest({"a": "", "b": ""}) == ""


def test_probes_make_no_pod_slow() -> None:
    probed = page(1, ("/items", "GET", 90, 1.8), ("/health", "GET", 90, 90.0))
    assert slowest({"a": page(2, ("/items", "GET", 90, 1.8)), "b": probed}) == ""
