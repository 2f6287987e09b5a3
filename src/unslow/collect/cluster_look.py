"""One look at one workload: what is asked when, and how the answers become evidence.

Everything that can be asked side by side is. The order in time: who is meant; all objects; the latency window,
with readings at its start and its end and the pod's own evidence in between; logs.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import msgspec

from unslow.collect import cluster_target
from unslow.collect.attempts import Attempts
from unslow.collect.cluster_questions import Answer, Early, First, Late, Questions, Second, Version, config_metadata
from unslow.collect.cluster_target import Resolved
from unslow.errors import BadInput, Unavailable
from unslow.kube import core
from unslow.kube.access import Identity, who_am_i
from unslow.kube.client import Client
from unslow.settings import Looking

if TYPE_CHECKING:
    from unslow.collect.cluster_databases import Databases
    from unslow.collect.cluster_sections import Last
    from unslow.collect.exposition import Samples
    from unslow.evidence import Evidence
    from unslow.evidence.window import Window

DNS_PAGES = 2


class Look:
    """One look at one workload."""

    def __init__(
        self,
        looking: Looking,
        progress: Callable[[str], None],
        client: Client,
        pool: ThreadPoolExecutor,
        *,
        measures: bool,
    ) -> None:
        self._looking = looking
        self._progress = progress
        self._client = client
        self._pool = pool
        self._ask = Questions(client, pool)
        self._attempts = Attempts(progress)
        self._measures = measures
        self._sections: dict[str, object] = {}

    def evidence(self) -> Evidence:
        self._progress("asking the API server")
        target, namespace = self._looking.target, self._client.access.namespace
        # In the order in which the answers are waited for: there are fewer connections than questions.
        groups = self._ask.groups()
        looking = cluster_target.finders(self._client, target, namespace, self._pool)
        wanted = cluster_target.asked(target, namespace)
        early = Early(self._ask, wanted.namespace if wanted else namespace)
        me = self._ask.ask(who_am_i, self._client)
        # What judges the answers is loaded while they are under way.
        from unslow.collect import cluster_history, cluster_logs
        from unslow.collect.cluster_sections import Sections
        from unslow.collect.items import items
        from unslow.evidence import Evidence
        from unslow.evidence.cluster import Cluster
        from unslow.evidence.window import Target

        resolved = cluster_target.resolve(self._client, target, namespace, looking)
        known = groups.otherwise(frozenset())
        first = First(self._ask, early, resolved.namespace, resolved.selector.text, resolved.kind, known)
        late = Late(self._ask, resolved.namespace, known)
        second = Second(self._ask, first, measures=self._measures)
        logs = [] if self._measures else cluster_logs.asked(self._ask, first.pods.otherwise([]))
        config = config_metadata(
            self._ask, resolved.namespace, cluster_history.config_maps(resolved.workload.spec.template.spec)
        )
        self._prove_who_we_are(me)
        window, last = self._window(resolved, first, second, late)
        logs = logs or cluster_logs.asked(self._ask, last.pods.otherwise([]))
        sections = Sections(resolved, known, first, second, late, last, window)
        sections.config = dict(config)
        self._progress("putting the cluster's facts together")
        parts = sections.fill(self._attempts)
        self._fill("slow_log", "log", lambda: cluster_logs.slow_log(logs, window))
        cluster = Cluster(
            context=self._client.access.context,
            version=late.version.otherwise(Version()).git_version,
            **parts,  # type: ignore[arg-type]
        )
        evidence = Evidence(
            target=Target(
                name=self._looking.target,
                kind="workload",
                service=resolved.name,
                path=last.path or self._looking.path or "/",
                path_by=last.path_by,
            ),
            window=window,
            cluster=cluster,
            probes=tuple(self._attempts.probes),
            **self._sections,  # type: ignore[arg-type]
        )
        return msgspec.structs.replace(evidence, items=items(evidence))

    def _prove_who_we_are(self, me: Answer[Identity]) -> None:
        """Impersonation that a proxy drops would make us somebody mightier than was asked for."""
        wanted = self._client.access.impersonate.user
        try:
            name = me().username
        except Unavailable:
            return  # older servers cannot tell
        if wanted and name != wanted:
            raise BadInput(f"asked to be {wanted!r}, but the API server sees {name!r}", "a proxy drops the header")

    def _fill(self, section: str, rung: str, collect: Callable[[], object], *, doing: str = "") -> None:
        value = self._attempts.run(section, rung, collect, doing=doing)
        if value is not None:
            self._sections[section] = value

    def _window(self, resolved: Resolved, first: First, second: Second, late: Late) -> tuple[Window, Last]:
        """Readings at the start and the end; in between only light readers run."""
        from unslow.collect import cluster_peers, cluster_readings, cluster_services
        from unslow.collect.cluster_sections import Last
        from unslow.evidence.sockets import Sockets
        from unslow.evidence.window import Window

        start_s = time.time()
        if not self._measures:
            return Window(start_s=start_s, end_s=start_s + 1e-3), Last(first.pods, first.early.events, second.kubelets)
        # Loads database drivers: only who measures waits for that.
        from unslow.collect.cluster_ladder import Rights
        from unslow.collect.cluster_monitoring import PROMETHEUS, Monitoring
        from unslow.collect.cluster_window import LatencyWindow
        from unslow.collect.prom_workload import Owner
        from unslow.collect.time_before import TimeBefore

        dns_pods = late.dns_pods.otherwise([])[:DNS_PAGES]
        dns_before = self._dns_pages(dns_pods)
        rights = Rights.asked(self._ask, resolved.namespace)
        own = first.own_metrics.otherwise([]) if first.own_metrics else []
        used = {name: found for (_, name), found in cluster_readings.used_by_pods(own, None).items()}
        nodes = {node.metadata.name: node for node in first.early.nodes.otherwise([])}
        monitoring = Monitoring(self._looking, self._client, self._attempts, resolved.namespace)
        owner = Owner(namespace=resolved.namespace, kind=resolved.kind, name=resolved.name)
        before = TimeBefore(self._looking, self._client, owner, self._ask.ask)
        with contextlib.closing(monitoring):
            monitoring.start(second.target_nodes, self._looking.budget_s)
            with contextlib.closing(self._databases(resolved)) as databases:
                looked = LatencyWindow(self._looking, self._ask, self._attempts, self._progress, rights, databases)
                pods, services = first.pods.otherwise([]), first.early.services.otherwise([])
                seen = looked.run(pods, services, nodes, used, resolved.pod, lambda path: before.begin(path, start_s))
            self._sections |= seen.sections
            sockets, called = seen.sections.get("sockets"), frozenset[str]()
            if isinstance(sockets, Sockets):
                names = cluster_peers.addresses(services, first.early.slices.otherwise([]))
                sockets = self._sections["sockets"] = cluster_peers.named(sockets, names, services)
                called = frozenset({peer.name for peer in sockets.peers} & set(names.values()))
            last = Last(
                pods=self._ask.pods(resolved.namespace, resolved.selector.text),
                events=self._ask.events(resolved.namespace),
                kubelets=second.kubelet_pages(),
                latencies=seen.latencies,
                looked_into=seen.pod,
                dns=seen.dns,
                usage=seen.usage,
                called=called,
                path=seen.path,
                path_by=seen.path_by,
            )
            last.dns_pages = _pairs(dns_before, self._dns_pages(dns_pods))
            ours = [nodes[name] for name in second.target_nodes if name in nodes]
            read = any(page.is_there() for page in second.kubelets)
            others = cluster_services.called_pods(services, first.early.slices.otherwise([]), resolved.workload, called)
            last.monitored = monitoring.result(resolved.kind, resolved.name, pods, ours, called=others, kubelets=read)
            monitoring.flows(last.monitored, late.daemons.otherwise([]), pods)
            past = self._attempts.run("series", PROMETHEUS, before.result, doing="waiting for the time before")
            if past:
                self._sections["series"] = past.series
                last.latencies = last.latencies or past.by_pod
        return seen.window, last

    def _databases(self, resolved: Resolved) -> Databases:
        """What the workload's settings name, logged in to through forwarded ports."""
        from unslow.collect.cluster_databases import Databases, ways_in
        from unslow.collect.dsn import Given

        looking = self._looking
        if not looking.use_database:
            for section in ("queries", "cache"):
                self._attempts.skip(section, "port-forward", "switched off", "leave out --no-database")
            return Databases(self._client, resolved.namespace, (), self._attempts)
        given = Given(postgres=looking.postgres, redis=looking.redis)
        found = ways_in(resolved.workload.spec.template.spec.containers, given)
        databases = Databases(self._client, resolved.namespace, found, self._attempts)
        databases.open()
        return databases

    def _dns_pages(self, pods: list[core.Pod]) -> list[Answer[str]]:
        from unslow.collect import cluster_dns

        return [self._ask.pod_page(pod, cluster_dns.PORT, "/metrics") for pod in pods]


def _pairs(before: list[Answer[str]], after: list[Answer[str]]) -> list[tuple[Samples, Samples]]:
    """Servers that answered both times."""
    from unslow.collect import cluster_dns

    pairs = []
    for first, last in zip(before, after, strict=True):
        texts = first.otherwise(""), last.otherwise("")
        if all(texts):
            pairs.append((cluster_dns.samples(texts[0]), cluster_dns.samples(texts[1])))
    return pairs
