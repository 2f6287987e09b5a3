"""Connections that Cilium dropped because of a policy: Hubble's flows, asked of the agents on the target's nodes by exec."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import msgspec

from unslow.errors import Unavailable
from unslow.evidence.cluster import Blocked
from unslow.kube import core
from unslow.kube.access import may_exec
from unslow.kube.client import Client
from unslow.kube.errors import ApiError
from unslow.kube.execute import execute, limited

LABELS = "k8s-app=cilium"
CONTAINER = "cilium-agent"
AGENTS = 3
LAST = 1000
SINCE = "5m"
SECONDS = 5
POLICY = frozenset({133, 181})
"""Cilium's numbers of drop reasons: no rule allows it, a rule denies it. Other drops are no policy's."""
MOST = 20
_REMEDY = "enable Hubble in Cilium (hubble.enabled), and allow pods/exec in its namespace"


class _Rule(msgspec.Struct, frozen=True):
    name: str = ""


class _End(msgspec.Struct, frozen=True):
    namespace: str = ""
    pod_name: str = ""
    labels: tuple[str, ...] = ()

    @property
    def pod(self) -> str:
        return f"{self.namespace}/{self.pod_name}" if self.pod_name else ""

    @property
    def reserved(self) -> str:
        """`world`, `host`, `kube-apiserver`: what is no pod."""
        return next((one.partition(":")[2] for one in self.labels if one.startswith("reserved:")), "")


class _Address(msgspec.Struct, frozen=True):
    source: str = ""
    destination: str = ""


class _Ports(msgspec.Struct, frozen=True):
    destination_port: int = 0


class _Layer4(msgspec.Struct, frozen=True, rename="upper"):
    tcp: _Ports | None = None
    udp: _Ports | None = None
    sctp: _Ports | None = None

    @property
    def port(self) -> int:
        return next((one.destination_port for one in (self.tcp, self.udp, self.sctp) if one), 0)


class _Flow(msgspec.Struct, frozen=True):
    verdict: str = ""
    drop_reason: int = 0
    address: _Address = msgspec.field(default=_Address(), name="IP")
    l4: _Layer4 = _Layer4()
    source: _End = _End()
    destination: _End = _End()
    destination_names: tuple[str, ...] = ()
    is_reply: bool | None = None
    ingress_denied_by: tuple[_Rule, ...] = ()
    egress_denied_by: tuple[_Rule, ...] = ()


class _Line(msgspec.Struct, frozen=True):
    flow: _Flow | None = None


_decode = msgspec.json.Decoder(_Line).decode


def dropped(
    client: Client, namespace: str, agents: Iterable[core.Pod], pods: Collection[core.Pod]
) -> tuple[Blocked, ...]:
    """Of the last minutes, on the nodes of `pods`; `namespace` is that of the agents.

    Raises `Unavailable` with the verb that is missing, or when no agent knows flows.
    """
    if not may_exec(client, namespace):
        raise Unavailable(f"permission for pods/exec in namespace {namespace}", _REMEDY)
    nodes = {pod.spec.node_name for pod in pods}
    beside = [agent for agent in agents if agent.spec.node_name in nodes][:AGENTS]
    where = next((pod.metadata.namespace for pod in pods), "")
    names = {f"{pod.metadata.namespace}/{pod.metadata.name}" for pod in pods}
    texts = [_observed(client, agent, where) for agent in beside]
    if not texts:
        raise Unavailable("an agent of Cilium on the nodes of the pods", _REMEDY)
    return blocked("\n".join(texts), names)


def _observed(client: Client, agent: core.Pod, where: str) -> str:
    asked = (
        "hubble",
        "observe",
        "--verdict",
        "DROPPED",
        "--namespace",
        where,
        "--since",
        SINCE,
        "--last",
        str(LAST),
        "-o",
        "json",
    )
    try:
        result = execute(
            client,
            agent.metadata.namespace,
            agent.metadata.name,
            limited(asked, SECONDS),
            container=CONTAINER,
            seconds=2 * SECONDS,
        )
    except ApiError as error:
        raise Unavailable(f"Hubble in {agent.metadata.name}: {error.missing}", _REMEDY) from error
    if not result.ok:
        said = " ".join(result.stderr.decode(errors="replace").split())[:200]
        raise Unavailable(f"Hubble in {agent.metadata.name}: {said or 'no answer in time'}", _REMEDY)
    return result.stdout.decode(errors="replace")


def blocked(text: str, pods: Collection[str]) -> tuple[Blocked, ...]:
    """From `hubble observe -o json`: each dropped way from or to one of `pods` (NAMESPACE/NAME) once.

    One packet is told twice (the verdict and the drop), and a packet is sent again: both are one way.
    Lines that are no flow are left out.
    """
    found: dict[tuple[str, str], Blocked] = {}
    for line in text.splitlines():
        try:
            flow = _decode(line).flow
        except msgspec.DecodeError:
            continue
        if flow is None or flow.verdict != "DROPPED" or flow.drop_reason not in POLICY or flow.is_reply:
            continue
        if not {flow.source.pod, flow.destination.pod} & set(pods):
            continue
        one = _blocked(flow)
        known = found.get((one.source, one.destination))
        if known is None or (one.policy and not known.policy):
            found[one.source, one.destination] = one
    return tuple(found[key] for key in sorted(found)[:MOST])


def _blocked(flow: _Flow) -> Blocked:
    names = (*flow.destination_names, flow.destination.reserved and flow.address.destination)
    destination = flow.destination.pod or next((name for name in names if name), flow.address.destination)
    rules = (*flow.egress_denied_by, *flow.ingress_denied_by)
    return Blocked(
        source=flow.source.pod or flow.source.reserved or flow.address.source,
        destination=f"{destination}:{flow.l4.port}" if flow.l4.port else destination,
        seen=True,
        policy=next((rule.name for rule in rules if rule.name), ""),
    )
