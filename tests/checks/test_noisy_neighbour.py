from __future__ import annotations

from tests.checks.cluster import container, node, nodes, pod, pods, usage
from tests.checks.verbs import account, cpu, finds, is_clear, line
from unslow.checks import all_checks
from unslow.evidence.cluster import Endpoint, Neighbour, Service, Services
from unslow.finding import Skipped

WAITING = account(line("cpu contended", "waiting for a free core (cpu code)", 60.0))


def greedy(cores: float, request: float = 0.1) -> Neighbour:
    return Neighbour(namespace="batch", pod="miner", cores=cores, cpu_request_cores=request)


def test_one_pod_takes_the_node() -> None:
    found = finds("noisy_neighbour", 60.0, nodes=nodes(node("n", greedy(3.2), used_cores=3.9)), account=WAITING)
    assert "batch/miner" in found.title
    assert "uses 3200m and reserves 100m" in found.because


def test_without_milliseconds_it_is_a_lead() -> None:
    found = finds("noisy_neighbour", 0.0, nodes=nodes(node("n", greedy(3.2), used_cores=3.9)), account=account())
    assert found.confidence < 0.6


def dependency(on: str) -> Services:
    called = Service(name="db", namespace="market", role="dependency", endpoints=(Endpoint(address="1", node=on),))
    return Services(services=(called,))


def test_called_services_on_the_node_starve_too() -> None:
    split = account(line("cpu contended", "waiting for a free core (cpu code)", 12.0), line("db query", "q", 50.0))
    seen = {"nodes": nodes(node("n", greedy(3.2), used_cores=3.9)), "cpu": cpu(request_run_s=2.0, request_delay_s=6.0)}
    found = finds("noisy_neighbour", 12.0 + 0.75 * 50.0, services=dependency("n"), account=split, **seen)
    assert "no core for 75% of the time" in found.because
    is_clear("noisy_neighbour", services=dependency("elsewhere"), account=split, **seen)


def test_a_neighbour_for_which_requests_hardly_wait() -> None:
    little = account(line("cpu contended", "waiting for a free core (cpu code)", 2.0))
    is_clear("noisy_neighbour", nodes=nodes(node("n", greedy(3.2), used_cores=3.9)), account=little)


def test_less_than_a_quarter_of_the_node() -> None:
    is_clear("noisy_neighbour", nodes=nodes(node("n", greedy(0.9), used_cores=3.9)), account=WAITING)


def test_within_what_it_reserves() -> None:
    is_clear("noisy_neighbour", nodes=nodes(node("n", greedy(2.0, 2.0), used_cores=3.9)), account=WAITING)


def test_a_node_with_idle_cores() -> None:
    is_clear("noisy_neighbour", nodes=nodes(node("n", greedy(2.5), used_cores=3.0)), account=account())


def test_measured_waiting_says_that_cores_are_missing_whatever_the_node_knows() -> None:
    finds("noisy_neighbour", 60.0, nodes=nodes(node("n", greedy(2.5), used_cores=3.0)), account=WAITING)


def test_the_target_itself_uses_most() -> None:
    own = pods(pod("a", container(usage=usage(cores=2.4))))
    is_clear("noisy_neighbour", nodes=nodes(node("node-a", greedy(1.4), used_cores=3.9)), pods=own, account=WAITING)


def test_use_that_was_not_read() -> None:
    assert isinstance(all_checks()["noisy_neighbour"](nodes=nodes(node("n", used_cores=None))), Skipped)
