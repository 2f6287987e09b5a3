from __future__ import annotations

from tests.checks.cluster import container, pod, pods, workload
from tests.checks.verbs import account, finds, is_clear, line
from tests.measure.test_answers import sent
from unslow.evidence.cluster import Endpoint, Service, ServicePort, Services

QUEUE = account(line("queue", "waiting for a free worker", 60.0))


def service(ready: int, unready: int = 0, leaving: int = 0, **changes: object) -> Services:
    states = [(True, False)] * ready + [(False, False)] * unready + [(False, True)] * leaving
    endpoints = tuple(
        Endpoint(address=f"10.0.0.{i}", pod=f"shop-{i}", ready=is_ready, terminating=terminating)
        for i, (is_ready, terminating) in enumerate(states)
    )
    return Services(services=(Service(name="shop", namespace="market", endpoints=endpoints, **changes),))  # type: ignore[arg-type]


def test_one_ready_of_three() -> None:
    broken = pods(pod("a"), pod("b", container(state="CrashLoopBackOff", ready=False), ready=False))
    found = finds(
        "service_has_few_ready_endpoints", 60.0, services=service(1, 2), workload=workload(), pods=broken, account=QUEUE
    )
    assert "1 ready of 3" in found.title
    assert "1 of 2 pods are not ready: CrashLoopBackOff" in found.because


def test_unready_pods_that_run_may_be_unready_because_they_are_slow() -> None:
    for state, keeps in (("running", False), ("CrashLoopBackOff", True)):
        some = pods(pod("a"), pod("b", container(state=state, ready=False), ready=False))
        found = finds(
            "service_has_few_ready_endpoints", services=service(1, 2), workload=workload(), pods=some, account=QUEUE
        )
        assert found.keeps_waiting is keeps


def test_pods_that_have_no_endpoint_at_all_count_too() -> None:
    finds("service_has_few_ready_endpoints", 60.0, services=service(1), workload=workload(), account=QUEUE)


def test_a_selector_that_matches_nothing() -> None:
    lost = service(0, selector=(("app", "shpo"),), selects=0)
    found = finds("service_has_few_ready_endpoints", services=lost, workload=workload(replicas_wanted=1))
    assert "app=shpo matches 0 pods" in found.because


def test_a_target_port_where_nobody_listens() -> None:
    wrong = service(3, ports=(ServicePort(port=80, target="8001", matches=False),))
    assert "target port 8001" in finds("service_has_few_ready_endpoints", services=wrong, workload=workload()).because


def test_a_dependency_claims_no_queue_of_ours() -> None:
    finds("service_has_few_ready_endpoints", 0.0, services=service(1, 2, role="dependency"), account=QUEUE)


def test_endpoints_that_have_become_ready_or_gone_by_the_end() -> None:
    slices = service(1, 2)  # shop-1 and shop-2 are not ready
    by_now = pods(pod("shop-0"), pod("shop-1"), pod("shop-3"))
    is_clear("service_has_few_ready_endpoints", services=slices, workload=workload(), pods=by_now, account=QUEUE)
    still = pods(pod("shop-0"), pod("shop-1", ready=False), pod("shop-3"))
    finds("service_has_few_ready_endpoints", services=slices, workload=workload(), pods=still, account=QUEUE)


def test_two_ready_of_three() -> None:
    is_clear("service_has_few_ready_endpoints", services=service(2, 1), workload=workload(), account=QUEUE)


def test_pods_that_leave_in_a_rollout() -> None:
    is_clear("service_has_few_ready_endpoints", services=service(3, 0, 3), workload=workload(), account=QUEUE)


def test_where_none_is_ready_nobody_carries_more_than_its_share() -> None:
    finds("service_has_few_ready_endpoints", 0.0, services=service(0, 1), workload=workload(), account=QUEUE)


def test_a_port_that_nobody_declares_and_where_nothing_answers() -> None:
    wrong = service(1, ports=(ServicePort(port=80, target="8088", matches=None),))
    wanted = workload(replicas_wanted=1)
    found = finds(
        "service_has_few_ready_endpoints", services=wrong, workload=wanted, pods=pods(pod("a")), requests=sent((0, 0.1))
    )
    assert "target port 8088, which 0 containers declare and where nothing answers" in found.because
    is_clear(
        "service_has_few_ready_endpoints",
        services=wrong,
        workload=wanted,
        pods=pods(pod("a")),
        requests=sent((200, 0.1)),
    )


def test_the_next_step_reads_what_keeps_the_pod_from_starting() -> None:
    for state, step in (
        ("ErrImagePull", "kubectl describe pod b"),
        ("CrashLoopBackOff", "kubectl logs b -c app --previous"),
    ):
        broken = pods(pod("b", container(name="app", state=state, ready=False, restarts=3), ready=False))
        found = finds(
            "service_has_few_ready_endpoints", services=service(0, 1), workload=workload(replicas_wanted=1), pods=broken
        )
        assert step in found.next_steps[0]
