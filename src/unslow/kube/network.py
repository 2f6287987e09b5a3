"""EndpointSlices and network policies."""

from __future__ import annotations

import msgspec

from unslow.kube.meta import Meta, Selector


class EndpointConditions(msgspec.Struct, frozen=True):
    ready: bool | None = None
    serving: bool | None = None
    terminating: bool | None = None


class TargetRef(msgspec.Struct, frozen=True):
    kind: str = ""
    name: str = ""


class ForZone(msgspec.Struct, frozen=True):
    name: str = ""


class Hints(msgspec.Struct, frozen=True, rename="camel"):
    for_zones: tuple[ForZone, ...] | None = None


class Endpoint(msgspec.Struct, frozen=True, rename="camel"):
    addresses: tuple[str, ...] = ()
    conditions: EndpointConditions = EndpointConditions()
    target_ref: TargetRef | None = None
    node_name: str = ""
    zone: str = ""
    hints: Hints | None = None


class EndpointPort(msgspec.Struct, frozen=True):
    name: str = ""
    port: int | None = None


class EndpointSlice(msgspec.Struct, frozen=True, rename="camel"):
    metadata: Meta
    endpoints: tuple[Endpoint, ...] | None = None
    """Null where nothing is selected."""
    ports: tuple[EndpointPort, ...] | None = None


class PolicyPort(msgspec.Struct, frozen=True, rename="camel"):
    port: int | str | None = None
    protocol: str = "TCP"
    end_port: int | None = None


class IpBlock(msgspec.Struct, frozen=True):
    cidr: str = ""
    except_: tuple[str, ...] | None = msgspec.field(default=None, name="except")


class PolicyPeer(msgspec.Struct, frozen=True, rename="camel"):
    pod_selector: Selector | None = None
    namespace_selector: Selector | None = None
    ip_block: IpBlock | None = None


class EgressRule(msgspec.Struct, frozen=True):
    ports: tuple[PolicyPort, ...] | None = None
    to: tuple[PolicyPeer, ...] | None = None


class IngressRule(msgspec.Struct, frozen=True):
    ports: tuple[PolicyPort, ...] | None = None
    from_: tuple[PolicyPeer, ...] | None = msgspec.field(default=None, name="from")


class PolicySpec(msgspec.Struct, frozen=True, rename="camel"):
    pod_selector: Selector = Selector()
    policy_types: tuple[str, ...] | None = None
    egress: tuple[EgressRule, ...] | None = None
    ingress: tuple[IngressRule, ...] | None = None


class NetworkPolicy(msgspec.Struct, frozen=True):
    metadata: Meta
    spec: PolicySpec = PolicySpec()
