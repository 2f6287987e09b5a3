"""Which network plugin and which kube-proxy the cluster runs -> evidence."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from unslow.evidence.cluster import Cni
from unslow.kube import core
from unslow.kube.workloads import Workload

_PLUGINS = {
    "aws-node": "aws-node",
    "cilium": "cilium",
    "calico-node": "calico",
    "canal": "canal",
    "kube-flannel-ds": "flannel",
    "kube-flannel": "flannel",
    "weave-net": "weave",
    "antrea-agent": "antrea",
    "kube-router": "kube-router",
    "kindnet": "kindnet",
    "azure-cni": "azure-cni",
    "ovnkube-node": "ovn-kubernetes",
}
"""Names of the DaemonSets that bring them."""
_MODE = re.compile(r"^\s*mode:\s*[\"']?(\w*)", re.MULTILINE)


def cni(
    daemons: Iterable[Workload], proxy: core.ConfigMap | None, cilium: core.ConfigMap | None, services: int | None
) -> Cni:
    """From the DaemonSets of `kube-system` and the settings of kube-proxy and Cilium."""
    found = {one.metadata.name: one for one in daemons}
    name = next((daemon for daemon in _PLUGINS if daemon in found), "")
    images = [container.image for container in found[name].spec.template.spec.containers] if name else []
    return Cni(
        kind=_PLUGINS.get(name, ""),
        version=tag(images[0]) if images else "",
        proxy_mode=_mode(found, proxy, cilium),
        services=services,
    )


def tag(image: str) -> str:
    """The version of `registry:5000/team/name:tag@sha256:...`; empty without one."""
    return image.partition("@")[0].rpartition("/")[2].partition(":")[2]


def node_local_dns(daemons: Iterable[Workload]) -> bool:
    return any(one.metadata.name == "node-local-dns" for one in daemons)


def _mode(found: Mapping[str, Workload], proxy: core.ConfigMap | None, cilium: core.ConfigMap | None) -> str:
    if cilium and (cilium.data or {}).get("kube-proxy-replacement", "").lower() in {"true", "strict"}:
        return "none"
    settings = (proxy.data or {}) if proxy else {}
    match = _MODE.search(settings.get("config.conf", "") or settings.get("config", ""))
    if match:
        return match[1] or "iptables"  # empty means the default
    return "iptables" if "kube-proxy" in found else ""
