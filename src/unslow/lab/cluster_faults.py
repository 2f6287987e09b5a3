"""Faults of a cluster: each an edit of the shop's manifests, or a rule in a node, nothing that names itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from unslow.lab.cluster_objects import Object, container, deployment, named, program, set_environment, sidecar
from unslow.lab.faults import FAULTS, Fault

Edit = Callable[[list[Object]], None]
GUNICORN = ["gunicorn", "orders:app", "--bind", "0.0.0.0:8000", "--graceful-timeout", "1"]
USUAL_RATE = 8.0
RELAY_PORT = 8002
SLOW_NAMES = "127.77.0.1"
CLUSTER_DNS = "CLUSTER-DNS"
"""The lab puts the address of the cluster's own name server in its place."""


@dataclass(frozen=True, kw_only=True)
class ClusterFault:
    """What differs from the healthy shop in a cluster."""

    title: str
    causes: tuple[str, ...]
    """Checks that are right when they come first."""
    edit: Edit = lambda objects: None
    rules: Callable[[list[str]], list[list[str]]] = lambda addresses: []
    """iptables rules (without -I or -D) for the addresses of `rules_for`."""
    rules_for: str = ""
    """The pods of this app."""
    rate: float = USUAL_RATE
    path: str = "/orders"
    also: tuple[tuple[str, float], ...] = ()
    target: str = "orders"
    ready: bool = True
    """Whether its pods become ready."""
    pause: bool = False
    """The rollout is stopped when its first pod is there."""
    without_index: bool = False
    settle_s: float = 12.0


def cpu_limit(objects: list[Object]) -> None:
    named(objects, "Deployment", "orders")["spec"]["replicas"] = 1
    for kind in ("limits", "requests"):
        container(objects, "orders")["resources"][kind]["cpu"] = "110m"


def bad_readiness(objects: list[Object]) -> None:
    """Asks for something that is not there; the pods that are left serve alone."""
    container(objects, "orders")["readinessProbe"]["httpGet"]["path"] = "/ready"
    named(objects, "Deployment", "orders")["spec"]["strategy"] = {
        "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 2},
        "type": "RollingUpdate",
    }


FIRST_ONLY = (
    "import os,redis,socket,sys;c=redis.Redis.from_url(os.environ['REDIS_URL']);h=socket.gethostname();"
    "c.set('{key}',h,nx=True,ex=3600);sys.exit(c.get('{key}').decode()!=h)"
)
"""Whether this pod was the first to ask."""


def one_ready(objects: list[Object]) -> None:
    probe = container(objects, "orders")["readinessProbe"]
    probe.pop("httpGet")
    probe["exec"] = {"command": ["python3", "-c", FIRST_ONLY.format(key="ready")]}
    probe["timeoutSeconds"] = 10


def one_slow(objects: list[Object]) -> None:
    """The first pod of the three has its payments over a slow way."""
    orders = container(objects, "orders")
    words = " ".join([*GUNICORN, "--worker-class gthread --workers 2 --threads 8"])
    slow = f"PAYMENTS_URL=http://payments:{RELAY_PORT}"
    check = FIRST_ONLY.format(key="slow")
    orders["args"] = ["sh", "-c", f'if python3 -c "{check}"; then export {slow}; fi; exec {words}']
    relay(objects, 0.12)
    named(objects, "Service", "payments")["spec"]["ports"].append(
        {"name": "relay", "port": RELAY_PORT, "targetPort": RELAY_PORT}
    )
    named(objects, "Service", "payments")["spec"]["ports"][0]["targetPort"] = 8001


def relay(objects: list[Object], delay_s: float) -> None:
    """A slow way to payments, in its own pod."""
    pods = named(objects, "Deployment", "payments")["spec"]["template"]["spec"]
    environment = {
        "RELAY_ADDRESS": "0.0.0.0",
        "RELAY_PORT": str(RELAY_PORT),
        "RELAY_TO": "8001",
        "RELAY_DELAY_S": str(delay_s),
    }
    pods["containers"].append(sidecar("way", program("relay"), **environment))
    named(objects, "Service", "payments")["spec"]["ports"][0]["targetPort"] = RELAY_PORT


def at_maximum(objects: list[Object]) -> None:
    orders = named(objects, "Deployment", "orders")
    orders["spec"].pop("replicas")
    busy = container(objects, "orders")
    busy["args"] = [*GUNICORN, "--worker-class", "sync", "--workers", "1"]
    busy["resources"]["requests"]["cpu"] = "50m"
    metric = {
        "type": "Resource",
        "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 20}},
    }
    goal = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "orders"}
    objects.append(
        {
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "orders", "namespace": orders["metadata"]["namespace"]},
            "spec": {"minReplicas": 1, "maxReplicas": 2, "scaleTargetRef": goal, "metrics": [metric]},
        }
    )


def too_large(objects: list[Object]) -> None:
    """New pods ask for more than any node has left; the one old pod that stays is alone."""
    orders = named(objects, "Deployment", "orders")
    container(objects, "orders")["resources"]["requests"]["cpu"] = "64"
    container(objects, "orders")["resources"]["limits"]["cpu"] = "64"
    orders["spec"]["strategy"] = {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 2}, "type": "RollingUpdate"}


def busy_neighbour(objects: list[Object]) -> None:
    burn = sidecar("batch", ["sh", "-c", "for i in 1 2 3; do (while :; do :; done) & done; wait"])
    burn["resources"] = {"requests": {"cpu": "400m", "memory": "16Mi"}, "limits": {"cpu": "1700m", "memory": "64Mi"}}
    found = deployment("batch", [burn])
    found["metadata"]["namespace"] = named(objects, "Deployment", "orders")["metadata"]["namespace"]
    objects.append(found)


def slow_start(objects: list[Object]) -> None:
    words = " ".join([*GUNICORN, "--worker-class gthread --workers 2 --threads 8"])
    container(objects, "orders")["args"] = ["sh", "-c", f"sleep 60; exec {words}"]
    named(objects, "Deployment", "orders")["spec"]["strategy"] = {
        "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 2},
        "type": "RollingUpdate",
    }


def bad_version(objects: list[Object]) -> None:
    orders = named(objects, "Deployment", "orders")
    set_environment(container(objects, "orders"), SHOP_OPTIONS="pretty")
    orders["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/version"] = "2"


def lossy(addresses: list[str]) -> list[list[str]]:
    chance = ["-m", "statistic", "--mode", "random", "--probability", "0.08"]
    return [["FORWARD", "-d", ip, "-p", "tcp", *chance, "-j", "DROP"] for ip in addresses]


def impatient_names(objects: list[Object]) -> None:
    """A second instead of five until the question is asked again."""
    pods = named(objects, "Deployment", "orders")["spec"]["template"]["spec"]
    pods["dnsConfig"] = {"options": [{"name": "timeout", "value": "1"}, {"name": "attempts", "value": "4"}]}


def unanswered(addresses: list[str]) -> list[list[str]]:
    """One of four questions for the one name is lost."""
    name = ["-m", "string", "--algo", "bm", "--hex-string", "|08|payments"]
    chance = ["-m", "statistic", "--mode", "random", "--probability", "0.25"]
    return [["FORWARD", "-s", ip, "-p", "udp", "--dport", "53", *name, *chance, "-j", "DROP"] for ip in addresses]


CLUSTER_FAULTS: dict[str, ClusterFault] = {
    "cpu_limit": ClusterFault(title="the CPU limit is too low", causes=("cpu_throttled",), edit=cpu_limit, rate=15.0),
    "bad_readiness_probe": ClusterFault(
        title="the readiness probe asks for a page that is not there",
        causes=("probe_kills_pods",),
        edit=bad_readiness,
        ready=False,
        settle_s=45.0,
    ),
    "slow_pod": ClusterFault(
        title="one pod of three has a slow way to payments", causes=("one_slow_pod",), edit=one_slow, rate=12.0
    ),
    "dns_one_name": ClusterFault(
        title="questions for one name are lost",
        causes=("dns_latency",),
        edit=impatient_names,
        rules=unanswered,
        rules_for="orders",
        rate=5.0,
    ),
    "packet_loss": ClusterFault(
        title="packets to payments are lost",
        causes=("network_retransmits",),
        rules=lossy,
        rules_for="payments",
        rate=10.0,
    ),
    "one_ready_of_three": ClusterFault(
        title="one of three endpoints is ready",
        causes=("service_has_few_ready_endpoints",),
        edit=one_ready,
        ready=False,
        settle_s=25.0,
    ),
    "hpa_max": ClusterFault(
        title="the autoscaler is at its maximum", causes=("hpa_at_max",), edit=at_maximum, rate=24.0, settle_s=75.0
    ),
    "pending": ClusterFault(
        title="new pods ask for more than any node has",
        causes=("pods_pending",),
        edit=too_large,
        ready=False,
        settle_s=40.0,
    ),
    "neighbour": ClusterFault(
        title="another pod takes the node's cores", causes=("noisy_neighbour",), edit=busy_neighbour, settle_s=45.0
    ),
    "cold_start": ClusterFault(
        title="a version that takes a minute to start", causes=("slow_cold_start",), edit=slow_start, ready=False
    ),
    "bad_rollout": ClusterFault(
        title="the new version is slow, and its rollout is half done",
        causes=("recently_deployed",),
        edit=bad_version,
        pause=True,
        rate=6.0,
        settle_s=30.0,
    ),
}


SEEN_AS = {
    "none": (),
    "long_poll": (),
    # The cluster's check of names asks the pod's own resolver; on one machine there is only the other one.
    "dns_slow": ("dns_slow", "dns_latency"),
    # The slow way is a container in the pod of payments: from its callers nothing tells it from slow payments.
    "network_slow": ("network_slow", "slow_downstream"),
}
"""Right first causes of the shop's faults in the cluster, where those are not the fault of the same name."""
MOST_PER_S = 150.0
SURGE_S = 90.0
"""Until a surge is in the rates that a monitoring system has."""


def of_the_shop(name: str) -> ClusterFault:
    """A fault of the shop on one machine, made in the cluster."""
    fault = FAULTS[name]
    return ClusterFault(
        title=fault.title,
        causes=SEEN_AS.get(name, (name,)),
        edit=lambda objects: _edited(objects, fault),
        rate=min(fault.rate or USUAL_RATE, MOST_PER_S),
        settle_s=SURGE_S if (fault.rate or 0.0) > MOST_PER_S else ClusterFault.settle_s,
        path=fault.path,
        also=tuple(fault.also.items()),
        without_index=fault.without_index,
    )


def _edited(objects: list[Object], fault: Fault) -> None:
    orders = container(objects, "orders")
    pods = named(objects, "Deployment", "orders")["spec"]["template"]["spec"]
    if fault.options:
        set_environment(orders, SHOP_OPTIONS=",".join(fault.options))
    if fault.workers:
        orders["args"] = [*GUNICORN, *fault.workers]
        named(objects, "Deployment", "orders")["spec"]["replicas"] = 1
    if fault.payments:
        set_environment(container(objects, "payments"), **fault.payments)
    if fault.relay_s:
        relay(objects, fault.relay_s)
    if fault.quota_cores:
        named(objects, "Deployment", "orders")["spec"]["replicas"] = 1  # the quota is so low for all of the traffic
        for kind in ("limits", "requests"):
            orders["resources"][kind]["cpu"] = f"{fault.quota_cores * 1000:.0f}m"
    if fault.slow_names:
        pods["containers"].append(sidecar("names", program("silent_names"), SILENT_ADDRESS=SLOW_NAMES))
        pods["containers"][-1]["securityContext"] = {"runAsUser": 0}
        namespace = named(objects, "Deployment", "orders")["metadata"]["namespace"]
        pods["dnsPolicy"] = "None"
        pods["dnsConfig"] = {
            "nameservers": [SLOW_NAMES, CLUSTER_DNS],
            "searches": [f"{namespace}.svc.cluster.local", "svc.cluster.local", "cluster.local"],
            "options": [{"name": "timeout", "value": "1"}, {"name": "ndots", "value": "5"}],
        }
    for kind in fault.disturbers:
        where = {"PLAIN_DSN": "postgresql://shop@postgres:5432/postgres", "REDIS_URL": "redis://redis:6379/0"}
        ports = {"ORDERS_PORT": "8000", "LOG_PORT": "5140"}
        beside = sidecar(kind.replace("_", "-"), program(kind), **where, **ports)
        if kind in {"slow_collector", "slow_clients"}:
            pods["containers"].append(beside)
        else:
            found = deployment(kind.replace("_", "-"), [beside])
            found["metadata"]["namespace"] = named(objects, "Deployment", "orders")["metadata"]["namespace"]
            objects.append(found)
