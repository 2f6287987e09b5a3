"""What can be diagnosed: one file per cause; the folder is the registry.

A check is one function `check` whose parameters are the sections it needs: evidence sections by
their names, parts of the cluster by theirs, and `account`. A parameter with a default is optional; a check
that cannot go on without one of them returns `Skipped(section)` and the registry adds what is missing.
`RESTS_ON` in a check names the sections that split the account for it: where none of them is there, nothing was
seen, and nothing is clear. Adding a cause adds a file here, a test and a page, and edits nothing.
"""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module

from unslow.evidence import Evidence
from unslow.evidence.cluster import Cluster
from unslow.finding import Clear, Outcome, Skipped
from unslow.measure.account import Account
from unslow.measure.without_stacks import hides_waiting

Check = Callable[..., Outcome]

REMEDIES = {
    "account": "let unslow send requests to the target, or give it a metrics page that times them",
    "requests": "let unslow send requests to the target",
    "timers": "expose a Prometheus page with a request duration histogram",
    "sockets": "run unslow on the machine that serves the URL",
    "packets": "run unslow on the machine that serves the URL, as the same user or as root",
    "server": "run unslow on the machine that serves the URL, as the same user or as root",
    "cpu": "run unslow on the machine that serves the URL",
    "memory": "run unslow on the machine that serves the URL, as the same user or as root",
    "profile": "allow py-spy to read the workers: run as root, or grant CAP_SYS_PTRACE",
    "queries": "give unslow a database login with pg_read_all_stats: --postgres DSN",
    "cache": "give unslow the cache's address: --redis URL",
    "slow_log": "point unslow to the log file: --log FILE",
    "spans": "export traces in OTLP to unslow, or give it a file: --spans FILE",
    "series": "give unslow a Prometheus server or a saved series: --prometheus URL, --series FILE",
    "deploys": "run unslow on the machine that serves the URL",
    "workload": "allow get and list on deployments, replicasets, statefulsets and daemonsets (group apps)",
    "pods": "allow get and list on pods",
    "nodes": "allow get and list on nodes (a ClusterRole)",
    "events": "allow list on events, within an hour of the incident: the API server forgets them",
    "services": "allow list on services and on endpointslices (group discovery.k8s.io)",
    "autoscalers": "allow list on horizontalpodautoscalers (group autoscaling)",
    "provisioning": "allow list on nodepools and nodeclaims (group karpenter.sh), where nodes are provisioned by Karpenter",
    "quotas": "allow list on resourcequotas and limitranges",
    "budgets": "allow list on poddisruptionbudgets (group policy)",
    "policies": "allow list on networkpolicies (group networking.k8s.io), and ciliumnetworkpolicies (cilium.io) where they are",
    "dns": "allow get on pods/proxy in kube-system (CoreDNS counts its own answers), or pods/exec at the target",
    "network": "let Prometheus scrape node-exporter, or allow a pod in the nodes' network: --allow node --debug-image IMAGE",
    "mesh": "let Prometheus scrape the mesh's proxies (port 15020, /stats/prometheus), and kubelets for their CPU",
    "cni": "allow list on daemonsets in kube-system",
    "changes": "allow list on replicasets, configmaps and events, or give unslow the audit log",
    "usage": "install metrics-server; `kubectl top` needs it too",
    "throttling": "deploy/rbac/kubelet-metrics.yaml (get on nodes/proxy, which is nearly root on nodes: weigh it)",
    "pod latency": "export request durations on a metrics page of each pod, and allow get on pods/proxy",
}
"""How to enable each section; the general form, when the collector itself did not say better."""

CLUSTER_PARTS = frozenset(Cluster.__struct_fields__) - {"context", "version"}
"""Sections that only a target in Kubernetes has."""


@cache
def all_checks() -> Mapping[str, Check]:
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return {name: import_module(f"{__name__}.{name}").check for name in names}


def explain(name: str) -> str:
    """The four lines of a check: Signature, Look-alike, Blind to, Reference."""
    return inspect.cleandoc(import_module(f"{__name__}.{name}").__doc__ or "")


def applies(check: Check, evidence: Evidence) -> bool:
    """Whether the check can be about this kind of target: nobody misses nodes of a service that has no cluster."""
    parameters = inspect.signature(check).parameters.values()
    needed = {one.name for one in parameters if one.default is inspect.Parameter.empty}
    return evidence.cluster is not None or not needed & CLUSTER_PARTS


def run(check: Check, evidence: Evidence, account: Account | None) -> Outcome:
    """Call the check with the sections it names; an absent one that it needs makes it `Skipped`."""
    needs = inspect.signature(check).parameters
    sections = {name: account if name == "account" else _section(evidence, name) for name in needs}
    for name, section in sections.items():
        if section is None and needs[name].default is inspect.Parameter.empty:
            return _skipped(name, evidence)
    outcome = check(**sections)
    if isinstance(outcome, Skipped) and not outcome.remedy:
        return _skipped(outcome.missing, evidence)
    sections_seen = [_saw_requests(evidence, name) for name in rests_on(check)]
    if isinstance(outcome, Clear) and sections_seen and not any(sections_seen):
        return _unseen(rests_on(check)[0], evidence)
    return outcome


def rests_on(check: Check) -> tuple[str, ...]:
    """The sections of which one at least must have seen requests before the check may call anything clear."""
    return getattr(import_module(check.__module__), "RESTS_ON", ())


def _saw_requests(evidence: Evidence, section: str) -> bool:
    """Whether the section is there and says what requests do; greenlets that wait have no stack."""
    if section != "profile":
        return getattr(evidence, section) is not None
    return evidence.profile is not None and bool(evidence.profile.samples) and not hides_waiting(evidence)


def _unseen(section: str, evidence: Evidence) -> Skipped:
    if section == "profile" and evidence.profile is not None:
        return Skipped(
            missing="stacks of requests: none was seen in one" if not evidence.profile.samples else GREENLETS,
            remedy="export traces to unslow (--otlp PORT), or serve with threads while it looks",
        )
    return _skipped(section, evidence)


GREENLETS = "stacks of requests that wait: the workers switch between requests by themselves"


def _section(evidence: Evidence, name: str) -> object:
    if name in CLUSTER_PARTS:
        return getattr(evidence.cluster, name, None)
    return getattr(evidence, name)


def _skipped(section: str, evidence: Evidence) -> Skipped:
    for probe in evidence.probes:
        if probe.name == section and probe.result != "ok":
            return Skipped(missing=probe.missing, remedy=probe.remedy)
    return Skipped(missing=f"no evidence of kind {section!r}", remedy=REMEDIES[section])
