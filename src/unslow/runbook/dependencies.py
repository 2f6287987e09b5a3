"""The service graph around the workload, from every source that tells of it, and whether each dependency is ready."""

from __future__ import annotations

from dataclasses import dataclass, field

from unslow.collect import cluster_kiali
from unslow.errors import Unavailable
from unslow.evidence.cluster import Service
from unslow.measure.significance import ms
from unslow.runbook.services import problems
from unslow.runbook.situation import Situation, ready, table
from unslow.runbook.step import Gap, Outcome

TITLE = "Service dependencies"
SECTION = "Performance Investigation 3"
ASKS = "Which services does it call, are they ready, and which of them does the time go to?"
_HEAD = ("FROM", "TO", "KNOWN FROM", "MEASURED", "READY", "SHARE OF THE TIME")
_CHECKS = ("slow_downstream", "slow_query", "redis_slow", "service_has_few_ready_endpoints", "retry_storm")


@dataclass(slots=True)
class Edge:
    """One arrow of the graph; several sources may tell of it."""

    sources: list[str] = field(default_factory=list)
    measured: list[str] = field(default_factory=list)

    def add(self, source: str, measured: str = "") -> None:
        if source not in self.sources:
            self.sources.append(source)
        if measured:
            self.measured.append(measured)


Graph = dict[tuple[str, str], Edge]


def commands(situation: Situation) -> tuple[str, ...]:
    namespace = situation.namespace
    return (
        f"kubectl get endpointslices -n {namespace} -o yaml",
        f"kubectl get {situation.workload} -n {namespace} -o jsonpath='{{.spec.template.spec.containers[*].env[*].name}}'",
        f"kubectl describe pods -n {namespace} | grep 'Ready\\|Started'",
    )


def run(situation: Situation) -> Outcome:
    gaps = list(situation.gaps("services", "spans", "sockets"))
    mesh = _mesh(situation, gaps)
    graph = drawn(situation, mesh)
    shares = {line.where.service: line.share for line in situation.diagnosis.account.lines if line.where.service}
    for name in shares.keys() - {to for _, to in graph} - {situation.name}:
        graph.setdefault((situation.name, name), Edge()).add("account")
    if not graph:
        gaps.append(
            Gap(
                "a dependency: no environment variable, trace, connection or mesh names one",
                "give traces (--spans), or allow exec so that the pod's connections can be read",
            )
        )
    called = {service.name: service for service in situation.services if service.role == "dependency"}
    rows = [
        (start, end, ", ".join(edge.sources), "; ".join(edge.measured) or "-", *_state(end, called, shares))
        for (start, end), edge in sorted(graph.items())
    ]
    return Outcome(
        result=table(_HEAD, rows),
        means=(*_means(situation, graph, called),),
        gaps=tuple(gaps),
    )


def _mesh(situation: Situation, gaps: list[Gap]) -> tuple[cluster_kiali.Edge, ...]:
    """Only where pods have a mesh's proxies is Kiali asked for."""
    if not any(one.sidecar and one.name == "istio-proxy" for pod in situation.pods for one in pod.containers):
        return ()
    try:
        return cluster_kiali.graph(situation.client, situation.namespace)
    except Unavailable as error:
        gaps.append(Gap(error.missing, error.remedy))
        return ()


def drawn(situation: Situation, mesh: tuple[cluster_kiali.Edge, ...] = ()) -> Graph:
    """All arrows, by caller and callee."""
    graph: Graph = {}
    for service in situation.services:
        if service.role == "dependency":
            graph.setdefault((situation.name, service.name), Edge()).add("environment")
    sockets, spans = situation.evidence.sockets, situation.evidence.spans
    for peer in sockets.peers if sockets else ():
        opened = f"{peer.open_mean:.1f} connections"
        graph.setdefault((situation.name, short(peer.name or peer.address, situation.namespace)), Edge()).add(
            "connections", opened
        )
    for call in spans.calls if spans else ():
        caller = situation.name if spans and call.caller == spans.service else call.caller
        asked = f"{call.calls_per_trace:.1f} calls a trace, {ms(call.critical_s)} on the way"
        graph.setdefault((caller, short(call.callee, situation.namespace)), Edge()).add("traces", asked)
    for one in mesh:
        graph.setdefault((one.caller, one.callee), Edge()).add("mesh metrics", one.words)
    return graph


def short(name: str, namespace: str) -> str:
    """`billing.shop.svc.cluster.local:80` is `billing` within `shop`; an address or a name elsewhere stays as it is."""
    host = name.rpartition(":")[0] or name
    first, _, rest = host.partition(".")
    if not rest:
        return host
    return first if rest == namespace or rest.startswith(f"{namespace}.svc") else name


def _state(name: str, called: dict[str, Service], shares: dict[str, float]) -> tuple[str, str]:
    ends = called[name].endpoints if name in called else ()
    share = shares.get(name)
    return (
        f"{ready(ends)} of {len(ends)}" if name in called else "not known",
        "-" if share is None else f"{share:.0%}",
    )


def _means(situation: Situation, graph: Graph, called: dict[str, Service]) -> tuple[str, ...]:
    """ "All ready" is said only of those whose readiness was read."""
    said = [*(text for service in called.values() for text in problems(service)), *situation.causes(*_CHECKS)]
    unknown = sorted({end for start, end in graph if start == situation.name} - called.keys())
    if unknown:
        said.append(f"Whether {', '.join(unknown)} is ready is not known: no Service of this namespace has that name.")
    if called and not any(problems(service) for service in called.values()):
        said.append(f"All endpoints of {', '.join(sorted(called))} are ready.")
    return tuple(said)
