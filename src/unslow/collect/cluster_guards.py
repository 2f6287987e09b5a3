"""What limits the workload: quotas, disruption budgets, network policies -> evidence."""

from __future__ import annotations

from collections.abc import Iterable

from unslow.evidence.cluster import Budget, Budgets, Policies, Quota, QuotaItem, Quotas
from unslow.kube import core, network
from unslow.kube import workloads as api
from unslow.kube.quantity import quantity, whole

_ENFORCING = ("calico", "cilium", "antrea", "weave", "kube-router", "canal")
_NOT_ENFORCING = ("flannel", "bridge", "kindnet")
_DNS = 53


def quotas(found: Iterable[core.ResourceQuota], ranges: Iterable[core.LimitRange]) -> Quotas:
    defaults = [limit.default or {} for one in ranges for limit in one.spec.limits or () if limit.type == "Container"]
    cpu = [quantity(one["cpu"]) for one in defaults if "cpu" in one]
    memory = [whole(one["memory"]) for one in defaults if "memory" in one]
    return Quotas(
        quotas=tuple(Quota(name=one.metadata.name, items=_items(one.status)) for one in found),
        default_cpu_limit_cores=cpu[0] if cpu else None,
        default_memory_limit_bytes=memory[0] if memory else None,
    )


def _items(status: core.QuotaStatus) -> tuple[QuotaItem, ...]:
    used = status.used or {}
    return tuple(
        QuotaItem(resource=resource, hard=quantity(hard) or 0.0, used=quantity(used.get(resource)) or 0.0)
        for resource, hard in sorted((status.hard or {}).items())
    )


def budgets(found: Iterable[api.DisruptionBudget], labels: dict[str, str] | None) -> Budgets:
    """Those that select pods with these labels; a budget without selector selects nothing."""
    return Budgets(
        budgets=tuple(
            Budget(
                name=one.metadata.name,
                min_available="" if one.spec.min_available is None else str(one.spec.min_available),
                max_unavailable="" if one.spec.max_unavailable is None else str(one.spec.max_unavailable),
                healthy=one.status.current_healthy,
                desired_healthy=one.status.desired_healthy,
                expected=one.status.expected_pods,
                disruptions_allowed=one.status.disruptions_allowed,
            )
            for one in found
            if one.spec.selector is not None and one.spec.selector.matches(labels)
        )
    )


def policies(found: Iterable[network.NetworkPolicy], labels: dict[str, str] | None, cni: str) -> Policies:
    """Those that select pods with these labels, and what they let out and in together."""
    chosen = [one for one in found if one.spec.pod_selector.matches(labels)]
    egress = [one.spec for one in chosen if _covers(one.spec, "Egress")]
    ingress = [one.spec for one in chosen if _covers(one.spec, "Ingress")]
    return Policies(
        names=tuple(sorted({one.metadata.name for one in chosen})),
        default_deny_ingress=bool(ingress) and not any(spec.ingress for spec in ingress),
        default_deny_egress=bool(egress) and not any(spec.egress for spec in egress),
        allows_dns=any(_lets_dns_out(rule) for spec in egress for rule in spec.egress or ()) if egress else None,
        enforced=enforced(cni),
    )


def enforced(cni: str) -> bool | None:
    """Whether the network plugin is known to enforce policies; None: it depends, or is not known."""
    if any(name in cni for name in _ENFORCING):
        return True
    return False if any(name in cni for name in _NOT_ENFORCING) else None


def _covers(spec: network.PolicySpec, direction: str) -> bool:
    """Without types, a policy is about ingress, and about egress when it has such rules."""
    if spec.policy_types is not None:
        return direction in spec.policy_types
    return direction == "Ingress" or spec.egress is not None


def _lets_dns_out(rule: network.EgressRule) -> bool:
    if not rule.ports:
        return True
    return any(
        port.port is None
        or port.port == _DNS
        or (isinstance(port.port, int) and port.port <= _DNS <= (port.end_port or 0))
        for port in rule.ports
    )
