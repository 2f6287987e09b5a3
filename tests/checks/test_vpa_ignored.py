from __future__ import annotations

from tests.checks.cluster import FULL, IDLE, MIB, autoscalers, container, pending, pod, pods, usage
from tests.checks.verbs import account, finds, is_clear, line
from unslow.evidence.cluster import Autoscalers, Recommendation, Vpa

WAITING = account(line("cpu contended", "waiting for a free core (cpu code)", 60.0))
PODS = pods(pod("a"))


def recommends(lower: float, target: float) -> Autoscalers:
    wanted = Recommendation(container="app", cpu_lower_cores=lower, cpu_target_cores=target)
    return autoscalers(vpas=(Vpa(name="shop", update_mode="Off", recommendations=(wanted,)),), vpa_installed=True)


def test_a_request_below_the_lower_bound_on_a_full_node() -> None:
    found = finds("vpa_ignored", 60.0, autoscalers=recommends(0.6, 0.8), pods=PODS, nodes=FULL, account=WAITING)
    assert "reserves 250m of CPU and needs 800m" in found.because
    assert "mode Off" in found.because


def test_on_an_idle_node_nothing_waits_for_it() -> None:
    said = is_clear("vpa_ignored", autoscalers=recommends(0.6, 0.8), pods=PODS, nodes=IDLE).because
    assert "needs 800m" in said
    assert finds("vpa_ignored", 0.0, autoscalers=recommends(0.6, 0.8), pods=PODS).confidence < 0.3


def test_memory_below_its_bound() -> None:
    wanted = Recommendation(container="app", memory_lower_bytes=200 * MIB, memory_target_bytes=300 * MIB)
    scaler = autoscalers(vpas=(Vpa(name="shop", recommendations=(wanted,)),))
    assert "reserves 128 MiB and needs 300 MiB" in finds("vpa_ignored", autoscalers=scaler, pods=PODS).because


def test_a_request_at_the_lower_bound() -> None:
    is_clear("vpa_ignored", autoscalers=recommends(0.25, 0.4), pods=PODS, nodes=FULL, account=WAITING)


def oversized(name: str = "a") -> object:
    return pod(name, container(cpu_request_cores=2.0, usage=usage(cores_p95=0.2, looked_back_s=86_400.0)))


def test_far_too_much_reserved_while_pods_find_no_node() -> None:
    homeless = pending("b", unschedulable="0/1 nodes are available: 1 Insufficient cpu")
    found = finds("vpa_ignored", autoscalers=autoscalers(), pods=pods(oversized(), homeless))
    assert "reserves 2000m and needs 230m" in found.because
    assert "over 24 h" in found.because


def test_waste_alone_makes_nothing_slow() -> None:
    cleared = is_clear("vpa_ignored", autoscalers=autoscalers(), pods=pods(oversized()))
    assert "needs 230m" in cleared.because
