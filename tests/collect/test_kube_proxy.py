from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.collect.backfilled import END_S, Series, knowing, rising, series, steady
from unslow.collect import kube_proxy
from unslow.collect.exposition import parse
from unslow.collect.prometheus_api import Api
from unslow.errors import Unavailable

PAGE = """
kubeproxy_sync_proxy_rules_duration_seconds_bucket{ip_family="IPv4",le="0.5"} 90
kubeproxy_sync_proxy_rules_duration_seconds_bucket{ip_family="IPv4",le="1"} 98
kubeproxy_sync_proxy_rules_duration_seconds_bucket{ip_family="IPv4",le="2"} 100
kubeproxy_sync_proxy_rules_duration_seconds_bucket{ip_family="IPv4",le="+Inf"} 100
kubeproxy_sync_proxy_rules_iptables_total{ip_family="IPv4",table="filter"} 4
kubeproxy_sync_proxy_rules_iptables_total{ip_family="IPv4",table="nat"} 20000
"""
"""As kube-proxy 1.33 prints it, shortened."""


def test_of_its_page() -> None:
    found = kube_proxy.of_page(parse(PAGE).samples)
    assert found == kube_proxy.Proxy(rules=20004, sync_p99_s=1.5)


def test_a_page_without_them() -> None:
    assert kube_proxy.of_page(parse("go_goroutines 7").samples) is None


def scraped() -> Series:
    found: dict[tuple[str, tuple[tuple[str, str], ...]], Callable[[float], float]] = {}
    for instance, rules in (("a", 65.0), ("b", 9000.0)):
        found |= series(kube_proxy.RULES, steady(rules), table="nat", instance=instance)
        for edge, per_s in (("0.5", 0.09), ("1", 0.1), ("+Inf", 0.1)):
            found |= series(f"{kube_proxy.SYNC}_bucket", rising(per_s), le=edge, instance=instance)
    return found


def test_of_all_nodes_the_one_with_most_rules(tmp_path: Path) -> None:
    with knowing(tmp_path, scraped(), seconds=4000.0, step_s=30.0) as address:
        found = kube_proxy.of_prometheus(Api(address), END_S)
        assert found.rules == 9000
        assert found.sync_p99_s == pytest.approx(0.95, rel=0.01)
        with pytest.raises(Unavailable, match="kube-proxy"):
            kube_proxy.of_prometheus(Api(address), END_S - 9e6)
