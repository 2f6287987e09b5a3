"""Cilium's own network policies, said in the words of Kubernetes', so that both are judged alike.

What differs: a section that is there denies what it does not list, even with nothing in it, and an empty rule allows
nothing. Denying rules (`egressDeny`) and who a rule is about are not taken over.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from unslow.kube.meta import Meta, Selector
from unslow.kube.network import EgressRule, IngressRule, NetworkPolicy, PolicyPort, PolicySpec

GROUP = "cilium.io"
_OWN = ("io.kubernetes.", "io.cilium.")
"""Labels that no pod has as an object: of its namespace, its account, its cluster."""

Rules = tuple[dict[str, Any], ...] | None


class _Spec(msgspec.Struct, frozen=True, rename="camel"):
    endpoint_selector: Selector | None = None
    """None: it is about nodes."""
    egress: Rules = None
    ingress: Rules = None


class CiliumPolicy(msgspec.Struct, frozen=True):
    """A CiliumNetworkPolicy, as far as it is read."""

    metadata: Meta
    spec: _Spec | None = None
    specs: tuple[_Spec, ...] | None = None


def policies(found: Iterable[CiliumPolicy]) -> list[NetworkPolicy]:
    """One for each specification in them."""
    return [
        NetworkPolicy(metadata=one.metadata, spec=_spec(spec))
        for one in found
        for spec in (*((one.spec,) if one.spec else ()), *(one.specs or ()))
        if spec.endpoint_selector is not None
    ]


def _spec(spec: _Spec) -> PolicySpec:
    types = [name for name, rules in (("Ingress", spec.ingress), ("Egress", spec.egress)) if rules is not None]
    return PolicySpec(
        pod_selector=_selector(spec.endpoint_selector or Selector()),
        policy_types=tuple(types),
        egress=tuple(EgressRule(ports=_ports(rule)) for rule in spec.egress or () if rule),
        ingress=tuple(IngressRule(ports=_ports(rule)) for rule in spec.ingress or () if rule),
    )


def _selector(selector: Selector) -> Selector:
    labels = {_label(key): value for key, value in (selector.match_labels or {}).items()}
    terms = [msgspec.structs.replace(one, key=_label(one.key)) for one in selector.match_expressions or ()]
    return Selector(
        match_labels={key: value for key, value in labels.items() if not key.startswith(_OWN)},
        match_expressions=tuple(one for one in terms if not one.key.startswith(_OWN)),
    )


def _label(key: str) -> str:
    """Without the source that Cilium puts before it: `k8s:app`, `any:app`."""
    source, colon, rest = key.partition(":")
    return rest if colon and source in {"k8s", "any"} else key


def _ports(rule: dict[str, Any]) -> tuple[PolicyPort, ...]:
    """None of them: the rule is about all ports."""
    made = []
    for part in rule.get("toPorts") or ():
        for one in part.get("ports") or ():
            text = str(one.get("port", "")) if isinstance(one, dict) else ""
            if text:
                made.append(PolicyPort(port=int(text) if text.isdigit() else text, end_port=one.get("endPort")))
    return tuple(made)
