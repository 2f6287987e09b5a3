"""The target's counters are of all its pods, the look from inside is of one: what of them is that pod's."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from unslow.evidence.cache import Cache
from unslow.evidence.cluster import Latency
from unslow.evidence.queries import Queries


def of_window(found: Latency, workers: int, window_s: float) -> Latency:
    """Of all its workers and the window's length, from the page of one worker over a longer time."""
    rate = (found.requests_per_s or 0.0) * max(1, workers)
    requests = rate * window_s
    larger = requests / found.requests if found.requests else 0.0
    routes = tuple(replace(one, requests=one.requests * larger) for one in found.routes)
    return replace(found, requests=requests, requests_per_s=rate, routes=routes)


def share_of(pod: str, latencies: Mapping[str, Latency], ours: int, pods: int) -> float:
    """0..1: by the requests that each pod served besides our own, else an equal part."""
    served = {name: max(0.0, one.requests - (ours if name == pod else 0)) for name, one in latencies.items()}
    total = sum(served.values())
    if pod in served and total > 0 and len(served) == pods:
        return served[pod] / total
    return 1.0 / max(1, pods)


def of_one_pod(queries: Queries, share: float, pods: int) -> Queries:
    """Calls, times and waiting sessions times the share; what they are is said in the notes."""
    if pods < 2:
        return queries
    statements = queries.statements and tuple(
        replace(
            one,
            calls=one.calls * share,
            exec_s=one.exec_s * share,
            rows=one.rows * share,
            shared_blocks=one.shared_blocks * share,
            lifetime_calls=one.lifetime_calls * share,
            lifetime_exec_s=one.lifetime_exec_s * share,
        )
        for one in queries.statements
    )
    opened = queries.connections_opened_per_s
    return replace(
        queries,
        statements=statements,
        waits=tuple(replace(one, mean=one.mean * share) for one in queries.waits),
        blockers=tuple(replace(one, waiting_mean=one.waiting_mean * share) for one in queries.blockers),
        connections_opened_per_s=None if opened is None else opened * share,
        notes=(*queries.notes, _note(share, pods)),
    )


def cache_of_one_pod(cache: Cache, share: float, pods: int) -> Cache:
    if pods < 2:
        return cache
    commands = tuple(replace(one, calls=one.calls * share, exec_s=one.exec_s * share) for one in cache.commands)
    return replace(cache, commands=commands, notes=(*cache.notes, _note(share, pods)))


def _note(share: float, pods: int) -> str:
    return f"its counters are of {pods} pods: {share:.0%} of them are taken as the observed pod's, by its requests"
