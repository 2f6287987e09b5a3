from __future__ import annotations

from unslow.evidence.cluster import Condition, NodeClaim, NodePool, Provisioning
from unslow.measure.cluster_provisioning import churn, obstacles


def claim(age_s: float, *conditions: Condition) -> Provisioning:
    return Provisioning(claims=(NodeClaim(name="c", pool="p", created_s=1000.0 - age_s, conditions=conditions),))


def test_limits_of_a_pool() -> None:
    full = NodePool(name="p", limit_cores=100.0, used_cores=96.0, limit_bytes=2**40, used_bytes=2**40)
    assert len(obstacles(Provisioning(pools=(full,)), 1000.0)) == 2
    assert obstacles(Provisioning(pools=(NodePool(name="p", limit_cores=100.0, used_cores=94.0),)), 1000.0) == ()


def test_a_pool_that_is_not_ready() -> None:
    bad = NodePool(name="p", conditions=(Condition(type="NodeClassReady", status="False", reason="NotFound"),))
    assert obstacles(Provisioning(pools=(bad,)), 1000.0) == ("NodePool p is not NodeClassReady: NotFound",)


def test_a_machine_that_does_not_join() -> None:
    waiting = Condition(type="Registered", status="Unknown")
    assert obstacles(claim(119.0, waiting), 1000.0) == ()
    assert "after 121 s" in obstacles(claim(121.0, waiting), 1000.0)[0]
    assert obstacles(claim(900.0, Condition(type="Registered")), 1000.0) == ()
    assert obstacles(None, 1000.0) == ()


def test_a_machine_that_boots_is_no_obstacle_though_a_reason_is_given() -> None:
    booting = (
        Condition(type="Launched"),
        Condition(
            type="Registered", status="Unknown", reason="NodeNotFound", message="Node not registered with cluster"
        ),
        Condition(type="Initialized", status="Unknown", reason="AwaitingReconciliation"),
    )
    assert obstacles(claim(20.0, *booting), 1000.0) == ()
    assert "NodeNotFound" in obstacles(claim(121.0, *booting), 1000.0)[0]


def test_a_claim_that_was_just_made() -> None:
    made = Condition(type="Launched", status="Unknown", reason="AwaitingReconciliation")
    assert obstacles(claim(1.0, made), 1000.0) == ()


def test_a_launch_that_failed_is_told_at_once() -> None:
    refused = Condition(type="Launched", status="Unknown", reason="LaunchFailed", message="no capacity in zone-a")
    assert "no capacity in zone-a" in obstacles(claim(5.0, refused), 1000.0)[0]
    assert obstacles(claim(5.0, Condition(type="Launched", status="False", reason="Refused")), 1000.0)


def test_churn() -> None:
    pool = NodePool(name="p", consolidation="WhenEmpty", disruptions_per_h=4.0)
    assert "4 nodes away an hour" in churn(Provisioning(pools=(pool,)))
    assert churn(Provisioning(pools=(NodePool(name="p", disruptions_per_h=3.0),))) == churn(None) == ""
