"""What Istio's proxies counted of the target's requests, on both ends of the way -> the mesh's own time.

The caller's proxy times a request from when it has it until the answer is through; the target's own proxy does the
same. Of the same requests, the difference is what lies between: the target's proxy taking it in, and the wire.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from unslow.collect import promql
from unslow.collect.prometheus_api import Api, Result, number
from unslow.errors import Unavailable

DURATION = "istio_request_duration_milliseconds"
REQUESTS = "istio_requests_total"
RETRIES = "envoy_cluster_upstream_rq_retry"
LOOK_S = 300.0
SAME = 0.2
"""Both ends may have counted so differently (their scrapes are not of one moment), not more."""
_BY = ("reporter", "source_workload", "source_workload_namespace")


class Timed(msgspec.Struct, frozen=True, kw_only=True):
    """Over the last five minutes."""

    proxy_mean_s: float | None = None
    """None: nobody outside the target's own proxies timed the same requests."""
    requests: float = 0.0
    mutual_tls: str = ""
    retries_per_s: float | None = None
    overflow_per_s: float | None = None


class End(msgspec.Struct):
    """Of one caller's requests, as one end counted them."""

    milliseconds: float = 0.0
    requests: float = 0.0


def timed(api: Api, namespace: str, workload: str, at_s: float) -> Timed:
    """Of the requests to the workload. Raises `Unavailable` when the proxies' metrics are not there."""
    to = {"destination_workload": workload, "destination_workload_namespace": namespace}
    over = promql.duration(LOOK_S)
    by = ", ".join(_BY)
    ends: dict[tuple[str, str], dict[str, End]] = {}
    for part in ("sum", "count"):
        query = f"sum by ({by}) (increase({promql.selector(f'{DURATION}_{part}', to)}[{over}]))"
        for one in api.instant(query, at_s):
            _add(ends, one, part)
    if not ends:
        raise Unavailable(
            f"{DURATION} of {namespace}/{workload} at {api.name}",
            "let Prometheus scrape the proxies (port 15020 of the pods, path /stats/prometheus)",
        )
    mean_s, requests = between(list(ends.values()))
    return Timed(
        proxy_mean_s=mean_s,
        requests=requests,
        mutual_tls=_tls(api, to, over, at_s),
        retries_per_s=_per_s(
            api, f"sum(rate({RETRIES}{{cluster_name=~{_cluster(namespace, workload)}}}[{over}]))", at_s
        ),
        overflow_per_s=_per_s(
            api,
            f"sum(rate({promql.selector(REQUESTS, {**to, 'reporter': 'source', 'response_flags': 'UO'})}[{over}]))",
            at_s,
        ),
    )


def between(callers: Sequence[dict[str, End]]) -> tuple[float | None, float]:
    """Mean seconds between both ends, and the requests that both timed: only callers whose counts agree."""
    pairs = [(ends["source"], ends["destination"]) for ends in callers if {"source", "destination"} <= ends.keys()]
    same = [
        (source, destination)
        for source, destination in pairs
        if min(source.requests, destination.requests) > 0
        and abs(source.requests - destination.requests) <= SAME * max(source.requests, destination.requests)
    ]
    requests = sum(min(source.requests, destination.requests) for source, destination in same)
    if not requests:
        return None, 0.0
    whole_ms = sum(
        (source.milliseconds / source.requests - destination.milliseconds / destination.requests)
        * min(source.requests, destination.requests)
        for source, destination in same
    )
    return max(0.0, whole_ms / requests / 1e3), requests


def _add(ends: dict[tuple[str, str], dict[str, End]], one: Result, part: str) -> None:
    value = number(one.value[1]) if one.value else None
    if value is None:
        return
    caller = one.metric.get("source_workload", ""), one.metric.get("source_workload_namespace", "")
    end = ends.setdefault(caller, {}).setdefault(one.metric.get("reporter", ""), End())
    if part == "sum":
        end.milliseconds += value
    else:
        end.requests += value


def _tls(api: Api, to: dict[str, str], over: str, at_s: float) -> str:
    """What the target's proxies saw, in the words of a PeerAuthentication."""
    selected = promql.selector(REQUESTS, {**to, "reporter": "destination"})
    query = f"sum by (connection_security_policy) (increase({selected}[{over}])) > 0"
    seen = {one.metric.get("connection_security_policy", "") for one in api.instant(query, at_s)} - {"", "unknown"}
    if not seen:
        return ""
    return "STRICT" if seen == {"mutual_tls"} else "PERMISSIVE" if "mutual_tls" in seen else "DISABLE"


def _cluster(namespace: str, workload: str) -> str:
    """Envoy's name of the way to a service, as a pattern: `outbound|80||NAME.NAMESPACE.svc.cluster.local`."""
    return promql.quoted(f"outbound\\|[0-9]+\\|[^|]*\\|{workload}[.]{namespace}[.].*")


def _per_s(api: Api, query: str, at_s: float) -> float | None:
    results = api.instant(query, at_s)
    value = results[0].value if results else None
    return number(value[1]) if value else None
