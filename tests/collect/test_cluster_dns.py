from __future__ import annotations

import pytest

from tests.collect.kube_objects import made, pod
from unslow.collect.cluster_cni import cni, node_local_dns
from unslow.collect.cluster_dns import dns, samples
from unslow.evidence.cluster import Usage
from unslow.kube import core
from unslow.kube.workloads import Workload


def page(count: float, total: float, fast: float, failed: float) -> str:
    return f"""
coredns_dns_request_duration_seconds_bucket{{le="0.001"}} {fast}
coredns_dns_request_duration_seconds_bucket{{le="0.01"}} {count}
coredns_dns_request_duration_seconds_bucket{{le="+Inf"}} {count}
coredns_dns_request_duration_seconds_sum {total}
coredns_dns_request_duration_seconds_count {count}
coredns_dns_requests_total{{type="A"}} {count}
coredns_dns_responses_total{{rcode="NOERROR"}} {count - failed}
coredns_dns_responses_total{{rcode="SERVFAIL"}} {failed}
"""


def test_the_servers_own_counters_over_the_window() -> None:
    pages = [(samples(page(100, 1.0, 100, 0)), samples(page(300, 3.0, 200, 50)))]
    found = dns(
        [pod()], pages, 10.0, [Usage(cores=0.2, cfs_periods=10, cfs_throttled_periods=5)], node_local_cache=False
    )
    assert (found.server_pods, found.server_ready) == (1, 1)
    assert found.server_mean_s == pytest.approx(0.01)
    assert found.server_requests_per_s == pytest.approx(20.0)
    assert found.server_error_ratio == pytest.approx(0.25)
    assert found.server_p99_s == pytest.approx(0.00982)
    assert (found.server_cores, found.server_throttled_ratio) == (0.2, 0.5)


def test_a_restarted_server_and_one_without_page_tell_nothing_false() -> None:
    fell = dns(
        [pod()], [(samples(page(300, 3.0, 300, 0)), samples(page(1, 0.1, 1, 0)))], 10.0, [], node_local_cache=None
    )
    assert fell.server_mean_s is None
    silent = dns([pod(status={"conditions": []})], [], 10.0, [], node_local_cache=None)
    assert (silent.server_ready, silent.server_requests_per_s) == (0, None)


def daemon(name: str, image: str = "x:v1.2.3") -> Workload:
    template = {"spec": {"containers": [{"name": "c", "image": image}]}}
    return made(Workload, metadata={"name": name}, spec={"template": template})


def test_the_network_plugin_and_the_mode_of_kube_proxy() -> None:
    proxy = made(core.ConfigMap, metadata={"name": "kube-proxy"}, data={"config.conf": 'kind: X\nmode: "ipvs"\n'})
    found = cni([daemon("aws-node"), daemon("kube-proxy")], proxy, None, 7)
    assert (found.kind, found.version, found.proxy_mode, found.services) == ("aws-node", "v1.2.3", "ipvs", 7)
    empty = made(core.ConfigMap, metadata={"name": "kube-proxy"}, data={"config.conf": 'mode: ""\n'})
    assert cni([daemon("kube-proxy")], empty, None, None).proxy_mode == "iptables"
    replaced = made(core.ConfigMap, metadata={"name": "cilium-config"}, data={"kube-proxy-replacement": "true"})
    assert cni([daemon("cilium")], None, replaced, None).proxy_mode == "none"
    assert cni([], None, None, None).kind == ""
    assert node_local_dns([daemon("node-local-dns")])
