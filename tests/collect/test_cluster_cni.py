from __future__ import annotations

import pytest

from tests.collect.kube_objects import made
from unslow.collect.cluster_cni import cni, node_local_dns
from unslow.kube import core
from unslow.kube.workloads import Workload


def daemon(name: str, image: str = "") -> Workload:
    containers = [{"name": "main", "image": image or f"registry.example/{name}:v1.2"}]
    return made(Workload, metadata={"name": name}, spec={"template": {"spec": {"containers": containers}}})


def settings(**data: str) -> core.ConfigMap:
    return made(core.ConfigMap, metadata={"name": "settings"}, data=data)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("aws-node", "aws-node"), ("calico-node", "calico"), ("cilium", "cilium"), ("kindnet", "kindnet")],
)
def test_the_plugin_is_known_by_its_daemon_set(name: str, kind: str) -> None:
    found = cni([daemon("kube-proxy"), daemon(name)], None, None, 12)
    assert (found.kind, found.version, found.proxy_mode, found.services) == (kind, "v1.2", "iptables", 12)


def test_a_digest_is_no_version_and_a_port_of_a_registry_neither() -> None:
    assert cni([daemon("cilium", "quay.example/cilium:v1.17@sha256:abc")], None, None, None).version == "v1.17"
    assert cni([daemon("cilium", "registry.example:5000/cilium")], None, None, None).version == ""


@pytest.mark.parametrize(
    ("text", "mode"), [("mode: ipvs\n", "ipvs"), ('mode: ""\n', "iptables"), ("  mode: nftables", "nftables")]
)
def test_the_mode_of_kube_proxy_is_read_from_its_settings(text: str, mode: str) -> None:
    assert cni([daemon("kube-proxy")], settings(**{"config.conf": text}), None, None).proxy_mode == mode


def test_cilium_may_replace_kube_proxy() -> None:
    replaced = settings(**{"kube-proxy-replacement": "true"})
    assert cni([daemon("cilium")], None, replaced, None).proxy_mode == "none"
    assert cni([daemon("cilium")], None, settings(**{"kube-proxy-replacement": "false"}), None).proxy_mode == ""


def test_nothing_known_is_nothing_said() -> None:
    found = cni([daemon("team-agent")], None, None, None)
    assert (found.kind, found.version, found.proxy_mode) == ("", "", "")
    assert node_local_dns([daemon("node-local-dns")])
    assert not node_local_dns([daemon("team-agent")])
