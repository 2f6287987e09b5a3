"""The target's counters are of all its pods, the look from inside is of one: what of them is that pod's."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from unslow.evidence.cache import Cache
from unslow.evidence.cluster import Latency
from unslow.evidence.queries import Queries
from unslow.evidence.requests import Requests
from unslow.evidence.servers import Server


def without_ours(found: Latency, requests: Requests | None, server: Server | None, window_s: float) -> Latency:
    """Our own requests went to this pod only: they would make it look preferred."""
    if requests is None or not requests.due_s or window_s <= 0 or not found.requests_per_s:
        return found
    page_s = found.requests / found.requests_per_s
    workers = max(1, server.workers) if server else 1
    ours = len(requests.due_s) / window_s * page_s / workers
    left = max(0.0, found.requests - ours)
    return replace(found, requests=left, requests_per_s=left / page_s)


def share_of(pod: str, latencies: Mapping[str, Latency], pods: int) -> float:
    """0..1: by the requests that each pod counted, else an equal part."""
    total = sum(found.requests for found in latencies.values())
    if pod in latencies and total > 0 and len(latencies) == pods:
        return latencies[pod].requests / total
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
