"""From a pod's metrics page: which path to request, and how the pod fared in the window."""

from __future__ import annotations

from collections.abc import Mapping

from unslow.collect.exposition import Page, parse
from unslow.collect.metrics_page import METHOD_LABELS, PROCESS_START, ROUTE_LABELS, timer_name, unit_s
from unslow.evidence.cluster import Latency, RouteLatency
from unslow.measure.cluster_pods import against

MOST_ROUTES = 40
_PARAMETER = ("<", "{", ":", "*")
_NO_ROUTE = ("/metrics", "/health", "/healthz", "/ready", "/readyz", "/live", "/livez", "/ping", "/favicon.ico")
"""Requests of probes and scrapers, which nobody waits for."""


def busiest_path(text: str) -> str:
    """The GET route without parameters in which most time was spent; empty when the page names none."""
    page = parse(text)
    metric = timer_name(page)
    spent: dict[str, float] = {}
    for (name, labels), value in page.samples.items():
        if not metric or name != f"{metric}_sum":
            continue
        found = dict(labels)
        route = next((found[label] for label in ROUTE_LABELS if label in found), "")
        method = next((found[label] for label in METHOD_LABELS if label in found), "GET")
        if _requestable(route) and method.upper() == "GET":
            spent[route] = spent.get(route, 0.0) + value
    return max(sorted(spent), key=lambda route: spent[route]) if spent else ""


def _requestable(route: str) -> bool:
    return route.startswith("/") and route not in _NO_ROUTE and not any(mark in route for mark in _PARAMETER)


def same_process(first: str, last: str) -> bool:
    """Whether both pages are of one worker process; pages that do not say are taken to be of all workers."""
    before, after = _started(first), _started(last)
    return before == after


def of_one_process(text: str) -> bool:
    """Whether the page tells when its process started: then each worker has a page of its own."""
    return bool(_started(text))


def _started(text: str) -> set[float]:
    return {value for (name, _), value in parse(text, (PROCESS_START,)).samples.items() if name == PROCESS_START}


def latency(first: str, last: str, seconds: float) -> Latency | None:
    """Mean over the window from two readings of one process's page; None when they do not tell."""
    before, after = parse(first), parse(last)
    metric = timer_name(after)
    if not metric or not same_process(first, last):
        return None
    return _latency(before, after, metric, seconds)


def _latency(before: Page, after: Page, metric: str, seconds: float) -> Latency | None:
    counts, sums = _grown(before, after, f"{metric}_count"), _grown(before, after, f"{metric}_sum")
    count, unit = sum(counts.values()), unit_s(after, metric)
    if count <= 0:
        return None
    return Latency(
        requests=count,
        mean_s=sum(sums.values()) / count * unit,
        requests_per_s=count / seconds if seconds > 0 else None,
        routes=tuple(
            RouteLatency(route=route, requests=counts[route], mean_s=sums.get(route, 0.0) / counts[route] * unit)
            for route in sorted(counts, key=lambda route: (-counts[route], route))[:MOST_ROUTES]
            if route and counts[route] > 0
        ),
    )


def slowest(pages: Mapping[str, str]) -> str:
    """The pod that has been clearly slower than all others since their processes began; empty when none has.

    An age-old pod that became slow just now hides here; the window's own figures are compared later.
    """
    known = {name: found for name, text in pages.items() if (found := _since_start(text)) is not None}
    ratios = {}
    for name, ours in known.items():
        compared = against([ours], [one for other, one in known.items() if other != name])
        if compared is not None and compared.is_slower:
            ratios[name] = compared.ratio
    return max(ratios, key=lambda name: (ratios[name], name), default="")


def _since_start(text: str) -> Latency | None:
    page = parse(text)
    metric = timer_name(page)
    return _latency(Page({}, {}), page, metric, 0.0) if metric else None


def _grown(before: Page, after: Page, name: str) -> dict[str, float]:
    """By method and route; a pod whose requests fail is still slow for those who sent them."""
    grown: dict[str, float] = {}
    for (metric, labels), value in after.samples.items():
        if metric == name and not any(dict(labels).get(label) in _NO_ROUTE for label in ROUTE_LABELS):
            kind = " ".join(text for label, text in sorted(labels) if label in (*METHOD_LABELS, *ROUTE_LABELS))
            grown[kind] = grown.get(kind, 0.0) + max(0.0, value - before.samples.get((metric, labels), 0.0))
    return grown
