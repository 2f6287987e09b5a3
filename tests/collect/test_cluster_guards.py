from __future__ import annotations

import pytest

from tests.collect.kube_objects import made
from unslow.collect.cluster_guards import budgets, policies, quotas
from unslow.kube import core, network
from unslow.kube import workloads as api

LABELS = {"app": "web", "tier": "front"}


def test_quotas_and_defaults() -> None:
    quota = made(
        core.ResourceQuota,
        metadata={"name": "q"},
        status={"hard": {"requests.cpu": "2", "pods": "10"}, "used": {"requests.cpu": "1500m"}},
    )
    limits = made(
        core.LimitRange, metadata={"name": "l"}, spec={"limits": [{"type": "Container", "default": {"cpu": "200m"}}]}
    )
    found = quotas([quota], [limits])
    assert [(one.resource, one.hard, one.used) for one in found.quotas[0].items] == [
        ("pods", 10.0, 0.0),
        ("requests.cpu", 2.0, 1.5),
    ]
    assert found.default_cpu_limit_cores == 0.2


def test_budgets_that_select_the_pods() -> None:
    one = made(
        api.DisruptionBudget,
        metadata={"name": "web"},
        spec={"minAvailable": "50%", "selector": {"matchLabels": {"app": "web"}}},
        status={"disruptionsAllowed": 0, "currentHealthy": 1, "desiredHealthy": 1, "expectedPods": 1},
    )
    other = made(api.DisruptionBudget, metadata={"name": "db"}, spec={"selector": {"matchLabels": {"app": "db"}}})
    nothing = made(api.DisruptionBudget, metadata={"name": "none"}, spec={})
    assert [(each.name, each.min_available) for each in budgets([one, other, nothing], LABELS).budgets] == [
        ("web", "50%")
    ]


@pytest.mark.parametrize(
    ("spec", "ingress", "egress", "dns"),
    [
        ({"podSelector": {}}, True, False, None),
        ({"podSelector": {}, "policyTypes": ["Egress"]}, False, True, False),
        ({"podSelector": {}, "policyTypes": ["Egress"], "egress": [{}]}, False, False, True),
        ({"podSelector": {}, "egress": [{"ports": [{"port": 443}]}]}, True, False, False),
        ({"podSelector": {}, "egress": [{"ports": [{"port": 53, "protocol": "UDP"}]}]}, True, False, True),
        ({"podSelector": {}, "egress": [{"ports": [{"port": 1, "endPort": 100}]}]}, True, False, True),
        ({"podSelector": {"matchLabels": {"app": "db"}}}, False, False, None),
        (
            {
                "podSelector": {"matchExpressions": [{"key": "tier", "operator": "In", "values": ["front"]}]},
                "ingress": [{}],
            },
            False,
            False,
            None,
        ),
    ],
)
def test_policies(spec: dict[str, object], ingress: bool, egress: bool, dns: bool | None) -> None:
    policy = made(network.NetworkPolicy, metadata={"name": "p"}, spec=spec)
    found = policies([policy], LABELS, "calico")
    assert (found.default_deny_ingress, found.default_deny_egress, found.allows_dns) == (ingress, egress, dns)
    assert found.enforced


def test_a_plugin_that_enforces_nothing_is_known() -> None:
    assert policies([], LABELS, "flannel").enforced is False
    assert policies([], LABELS, "").enforced is None
