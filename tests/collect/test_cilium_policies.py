"""Cilium's policies, by their documented fields; on a real API server by a minimal definition of the resource."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.checks.verbs import finds
from tests.collect.test_cluster_custom import defined, definition, deployment, looked, made
from tests.kube.cluster import client, namespace, needs_cluster
from unslow.collect.cilium_policies import CiliumPolicy, policies
from unslow.collect.cluster_guards import policies as judged
from unslow.evidence.cluster import Policies

SHOP = {"matchLabels": {"app": "shop"}}
DNS = {"toEndpoints": [{}], "toPorts": [{"ports": [{"port": "53", "protocol": "ANY"}], "rules": {"dns": [{}]}}]}
DATABASE = {"toEndpoints": [{}], "toPorts": [{"ports": [{"port": "5432", "protocol": "TCP"}]}]}


def seen(**policy: Any) -> Policies:
    one = msgspec.convert({"metadata": {"name": "p", "namespace": "market"}, **policy}, CiliumPolicy)
    return judged(policies([one]), {"app": "shop"}, "cilium")


@pytest.mark.parametrize(
    ("egress", "denies", "dns"),
    [
        ([DATABASE], False, False),
        ([DATABASE, DNS], False, True),
        ([{"toEntities": ["all"]}], False, True),
        ([{}], True, False),  # an empty rule allows nothing, other than in Kubernetes' own policies
        ([], True, False),
        (None, False, None),
    ],
)
def test_what_is_let_out(egress: list[dict[str, Any]] | None, denies: bool, dns: bool | None) -> None:
    found = seen(spec={"endpointSelector": SHOP, "egress": egress})
    assert (found.names, found.default_deny_egress, found.allows_dns) == (("p",), denies, dns)
    assert found.enforced


@pytest.mark.parametrize("key", ["k8s:app", "any:app", "app"])
def test_a_label_with_its_source_is_the_same_label(key: str) -> None:
    own = {key: "shop", "k8s:io.kubernetes.pod.namespace": "market"}
    assert seen(spec={"endpointSelector": {"matchLabels": own}, "ingress": [{}]}).default_deny_ingress


@pytest.mark.parametrize(
    "spec",
    [
        {"endpointSelector": {"matchLabels": {"app": "other"}}, "egress": []},
        {"nodeSelector": SHOP, "egress": []},
    ],
)
def test_policies_of_others(spec: dict[str, Any]) -> None:
    assert seen(spec=spec).names == ()


def test_several_in_one() -> None:
    assert seen(
        specs=[{"endpointSelector": SHOP, "egress": [DNS]}, {"endpointSelector": {}, "ingress": []}]
    ) == Policies(names=("p",), default_deny_ingress=True, allows_dns=True, enforced=True)


@needs_cluster
def test_one_that_forgets_dns_is_named() -> None:
    resource = definition("cilium.io", "CiliumNetworkPolicy", "ciliumnetworkpolicies", "Namespaced", version="v2")
    with client() as api, namespace(api) as where, defined(api, resource):
        policy = {
            "apiVersion": "cilium.io/v2",
            "kind": "CiliumNetworkPolicy",
            "metadata": {"name": "only-data"},
            "spec": {"endpointSelector": SHOP, "egress": [DATABASE]},
        }
        made(api, f"/apis/cilium.io/v2/namespaces/{where}/ciliumnetworkpolicies", policy)
        deployment(api, where, "10m")
        found = looked(where).cluster
    assert found is not None
    assert "only-data" in finds("network_policy_blocks", 0.0, policies=found.policies).because
