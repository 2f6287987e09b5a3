"""The cluster's DNS server: its pods, and their own counters over the window -> evidence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from unslow.collect.exposition import Samples, parse
from unslow.evidence.cluster import Dns, Usage
from unslow.kube import core
from unslow.kube.quantity import quantity

LABELS = "k8s-app=kube-dns"
PORT = 9153
NAMES = ("coredns_dns_request_duration_seconds", "coredns_dns_requests_total", "coredns_dns_responses_total")
_DURATION = NAMES[0]


def samples(text: str) -> Samples:
    return parse(text, NAMES).samples


def dns(
    pods: Sequence[core.Pod],
    pages: Iterable[tuple[Samples, Samples]],
    seconds: float,
    usage: Iterable[Usage],
    *,
    node_local_cache: bool | None,
) -> Dns:
    """`pages`: first and last reading of each server pod, `seconds` apart."""
    grown: dict[str, float] = {}
    buckets: dict[float, float] = {}
    for first, last in pages:
        _add(first, last, grown, buckets)
    count, answers = grown.get("count", 0.0), grown.get("answers", 0.0)
    limits = [quantity((pod.spec.containers[0].resources.limits or {}).get("cpu")) for pod in pods]
    busiest = max(usage, key=lambda one: one.cores or 0.0, default=None)
    return Dns(
        node_local_cache=node_local_cache,
        server_pods=len(pods),
        server_ready=sum((ready := pod.condition("Ready")) is not None and ready.status == "True" for pod in pods),
        server_mean_s=grown["sum"] / count if count else None,
        server_p99_s=_quantile(buckets, 0.99),
        server_requests_per_s=grown["requests"] / seconds if "requests" in grown and seconds > 0 else None,
        server_error_ratio=grown.get("SERVFAIL", 0.0) / answers if answers else None,
        server_nxdomain_ratio=grown.get("NXDOMAIN", 0.0) / answers if answers else None,
        server_cores=busiest.cores if busiest else None,
        server_limit_cores=next((limit for limit in limits if limit is not None), None),
        server_throttled_ratio=busiest.throttled_ratio if busiest else None,
    )


def _add(first: Samples, last: Samples, grown: dict[str, float], buckets: dict[float, float]) -> None:
    for (name, labels), value in last.items():
        growth = value - first.get((name, labels), 0.0)
        if growth < 0.0:
            continue  # the server was restarted in between
        found = dict(labels)
        match name.removeprefix(_DURATION):
            case "_sum":
                _count(grown, "sum", growth)
            case "_count":
                _count(grown, "count", growth)
            case "_bucket":
                edge = float("inf") if found.get("le") == "+Inf" else float(found.get("le", "nan"))
                buckets[edge] = buckets.get(edge, 0.0) + growth
            case "coredns_dns_requests_total":
                _count(grown, "requests", growth)
            case "coredns_dns_responses_total":
                _count(grown, "answers", growth)
                _count(grown, found.get("rcode", ""), growth)


def _count(grown: dict[str, float], name: str, growth: float) -> None:
    grown[name] = grown.get(name, 0.0) + growth


def _quantile(buckets: dict[float, float], share: float) -> float | None:
    """Linear within the bucket; None without answers, or when it lies above the last edge."""
    edges = sorted(buckets)
    if not edges or not buckets[edges[-1]]:
        return None
    wanted, lower, below = share * buckets[edges[-1]], 0.0, 0.0
    for edge in edges:
        here = buckets[edge]
        if here >= wanted:
            if edge == float("inf"):
                return None
            return lower + (edge - lower) * ((wanted - below) / (here - below) if here > below else 1.0)
        lower, below = edge, here
    return None
