"""Hubble's flows as its documented JSON has them; on a real cluster a named fake prints them in an agent's place."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from tests.checks.verbs import finds, is_clear
from tests.kube.cluster import PYTHON, client, namespace, needs_cluster, running
from unslow.collect.cluster_hubble import blocked, dropped
from unslow.errors import Unavailable
from unslow.evidence.cluster import Blocked, Policies

OURS = {"market/shop-1"}


def flow(**changes: Any) -> str:
    normal = {
        "time": "2026-07-15T01:32:14.234858520Z",
        "verdict": "DROPPED",
        "drop_reason": 133,
        "drop_reason_desc": "POLICY_DENIED",
        "IP": {"source": "10.244.3.30", "destination": "10.244.1.9", "ipVersion": "IPv4"},
        "l4": {"TCP": {"source_port": 55462, "destination_port": 5432, "flags": {"SYN": True}}},
        "source": {"ID": 1238, "identity": 24009, "namespace": "market", "pod_name": "shop-1", "labels": ["k8s:a=b"]},
        "destination": {"identity": 5, "namespace": "data", "pod_name": "db-0", "labels": ["k8s:a=c"]},
        "Type": "L3_L4",
        "node_name": "node-a",
        "event_type": {"type": 1, "sub_type": 133},
        "traffic_direction": "EGRESS",
        "Summary": "TCP Flags: SYN",
    }
    return json.dumps({"flow": normal | changes, "node_name": "node-a", "time": "2026-07-15T01:32:14Z"})


WAY = Blocked(source="market/shop-1", destination="data/db-0:5432", seen=True)


def test_one_way_however_often_it_was_tried() -> None:
    verdict = flow(event_type={"type": 5}, egress_denied_by=[{"name": "no-data", "namespace": "market"}])
    [found] = blocked("\n".join([flow(), flow(), verdict]), OURS)
    assert found == Blocked(source="market/shop-1", destination="data/db-0:5432", seen=True, policy="no-data")


def test_out_of_the_cluster_it_has_the_name_that_was_looked_up() -> None:
    world = {"identity": 16777259, "labels": ["cidr:1.1.1.1/32", "reserved:world-ipv4"]}
    address = {"source": "10.244.3.30", "destination": "1.1.1.1"}
    named = flow(destination=world, IP=address, destination_names=["one.one.one.one"])
    assert [one.destination for one in blocked(named, OURS)] == ["one.one.one.one:5432"]
    assert [one.destination for one in blocked(flow(destination=world, IP=address), OURS)] == ["1.1.1.1:5432"]


@pytest.mark.parametrize(
    "line",
    [
        flow(verdict="FORWARDED", drop_reason=0),
        flow(drop_reason=155, drop_reason_desc="CT_MAP_INSERTION_FAILED"),
        flow(source={"namespace": "market", "pod_name": "other-1"}),
        flow(is_reply=True),
        '{"lost_events": {"source": "HUBBLE_RING_BUFFER", "num_events_lost": "6"}}',
        "level=info msg=hello",
        '{"flow": 7}',
    ],
)
def test_what_is_no_drop_by_a_policy_of_ours(line: str) -> None:
    assert blocked(line, OURS) == ()


def test_a_seen_drop_is_a_cause_though_no_policy_of_kubernetes_selects_the_pods() -> None:
    found = finds("network_policy_blocks", 0.0, policies=Policies(blocked=(WAY,), enforced=True), account=None)
    assert "market/shop-1 to data/db-0:5432 was dropped" in found.because
    is_clear("network_policy_blocks", policies=Policies(enforced=True))


FAKE = """
printf '#!/bin/sh\ncat /tmp/flows\n' > /usr/local/bin/hubble && chmod +x /usr/local/bin/hubble
printf '%s\n' "$1" > /tmp/flows; sleep 999
"""


@needs_cluster
def test_agents_are_asked_by_exec() -> None:
    with client() as api, namespace(api) as where:
        lines = "\n".join([flow(), flow(drop_reason=155)]).replace('"market"', f'"{where}"')
        written = {"exec": {"command": ["test", "-s", "/tmp/flows"]}, "periodSeconds": 1}
        agent = running(
            api, where, "cilium-x", spec("cilium-agent", ["sh", "-c", FAKE, "sh", lines], readinessProbe=written)
        )
        ours = running(api, where, "shop-1", spec("app", ["sleep", "999"]))
        assert dropped(api, where, [agent], [ours]) == (msgspec.structs.replace(WAY, source=f"{where}/shop-1"),)
        plain = running(api, where, "no-hubble", spec("cilium-agent", ["sleep", "999"]))
        with pytest.raises(Unavailable, match="Hubble in no-hubble"):
            dropped(api, where, [plain], [ours])
        with client(as_user="nobody-at-all") as nobody, pytest.raises(Unavailable, match="pods/exec in namespace"):
            dropped(nobody, where, [agent], [ours])


def spec(name: str, command: list[str], **more: object) -> dict[str, object]:
    container = {"name": name, "image": PYTHON, "imagePullPolicy": "IfNotPresent", "command": command, **more}
    return {"spec": {"terminationGracePeriodSeconds": 0, "containers": [container]}}
