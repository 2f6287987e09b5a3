"""The latency window of a workload: from inside a pod where that is allowed, else through a forwarded port."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from unslow.collect import (
    cluster_counters,
    cluster_debug,
    cluster_inside,
    cluster_ladder,
    cluster_paths,
    cluster_shares,
)
from unslow.collect.attempts import Attempts
from unslow.collect.cluster_databases import Databases, phases
from unslow.collect.cluster_inside import Lost, NoPython, Place
from unslow.collect.cluster_ladder import INSIDE, Chooser, Rights
from unslow.collect.cluster_nodes import Used
from unslow.collect.cluster_questions import Answer, Questions
from unslow.collect.metrics_page import MetricsPage
from unslow.collect.requests import LEAST_PER_S, Prober
from unslow.errors import Unavailable
from unslow.evidence import Evidence
from unslow.evidence.cache import Cache
from unslow.evidence.cluster import Dns, Latency, Usage
from unslow.evidence.queries import Queries
from unslow.evidence.requests import Requests
from unslow.evidence.servers import Server
from unslow.evidence.window import Window
from unslow.kube import core
from unslow.kube.port_forward import Forward, forwarded
from unslow.settings import Looking

SHARE = 0.8
"""Of the budget: the window when nobody looks from inside. Kubelets read their counters every 10 to 15 s."""
INSIDE_SHARE = 0.8
"""Of the budget: for the look from inside, its window, stacks and all."""
REST_S = 4.0
"""For what is read after the window."""
ENDING_S = 3.0
"""From the end of the look inside until its answer is here."""
LEAST_S = 2.0
LEAST_SHARE = 0.6
"""Of the budget: with less left nobody begins anew inside another pod."""
PAGES = 5
"""Pods whose metrics page is read."""
PAGE_TRIES = 3
"""Several workers answer in turn: how often to ask for the same one again."""


@dataclass(slots=True)
class Seen:
    """What the window gave."""

    window: Window
    sections: dict[str, object] = field(default_factory=dict)
    latencies: dict[str, Latency] = field(default_factory=dict)
    """By pod."""
    pod: str = ""
    """The one that the sections are of."""
    dns: Dns | None = None
    """Its resolver and look-ups."""
    path: str = ""
    """The one that was requested; empty: none was."""
    path_by: Chooser = "user"
    usage: dict[tuple[str, str], Usage] = field(default_factory=dict)
    """By pod and container: counters that were read inside without a reader there."""

    @property
    def workers(self) -> int:
        server = self.sections.get("server")
        return server.workers if isinstance(server, Server) else 1

    @property
    def ours(self) -> int:
        """Requests that we sent in the window."""
        requests = self.sections.get("requests")
        return len(requests.due_s) if isinstance(requests, Requests) else 0


class LatencyWindow:
    """Begins with the pods' metrics pages, ends with them; between is the look at one pod."""

    def __init__(
        self,
        looking: Looking,
        ask: Questions,
        attempts: Attempts,
        progress: Callable[[str], None],
        rights: Rights,
        databases: Databases,
    ) -> None:
        self._looking = looking
        self._ask = ask
        self._attempts = attempts
        self._progress = progress
        self._rights = rights
        self._databases = databases

    def run(
        self,
        pods: Sequence[core.Pod],
        services: Sequence[core.Service],
        nodes: Mapping[str, core.Node],
        used: Mapping[str, Used],
        wanted: str,
        begun: Callable[[str], None] = lambda path: None,
    ) -> Seen:
        """Sections of one pod, and the latency of each pod that has a metrics page.

        `begun` is told the path that is requested, as soon as that is known.
        """
        start_s = time.time()
        try:
            cores = {name: one.cores or 0.0 for name, one in used.items()}
            where = cluster_ladder.place(pods, services, nodes, cores, wanted)
        except Unavailable as error:
            cluster_ladder.refused(INSIDE, error, self._attempts.skip, "exec")
            begun(self._looking.path)
            self._wait(start_s)
            return Seen(Window(start_s=start_s, end_s=time.time()))
        running = [pod for pod in pods if pod.status.phase == "Running"][:PAGES]
        before = {pod.metadata.name: self._ask.pod_page(pod, where.port, "/metrics") for pod in running}
        slow = "" if wanted else cluster_paths.slowest({name: answer.otherwise("") for name, answer in before.items()})
        where = replace(where, pod=slow or where.pod)
        own = next(pod for pod in pods if pod.metadata.name == where.pod)
        page = before.get(where.pod)
        path, path_by = cluster_ladder.path_of(self._looking.path, page, own)
        where = replace(where, path=path)
        begun(where.path)
        others = [pod for pod in running if pod.metadata.name != where.pod]
        seen = self._looked_and_counted(where, others, start_s, own, used.get(where.pod))
        after = {pod.metadata.name: self._ask.ask(self._again, pod, where.port, before) for pod in running}
        seconds = time.time() - start_s
        for name, answer in after.items():
            first = before[name].otherwise("")
            found = cluster_paths.latency(first, answer.otherwise(""), seconds)
            if found is not None:
                workers = seen.workers if cluster_paths.of_one_process(first) else 1
                seen.latencies[name] = cluster_shares.of_window(found, workers, seen.window.seconds)
        self._add_databases(seen, len(running))
        seen.path, seen.path_by = path, path_by
        return seen

    def _add_databases(self, seen: Seen, pods: int) -> None:
        share = cluster_shares.share_of(seen.pod, seen.latencies, seen.ours, pods)
        for name, section in self._databases.sections().items():
            if isinstance(section, Queries):
                seen.sections[name] = cluster_shares.of_one_pod(section, share, pods)
            elif isinstance(section, Cache):
                seen.sections[name] = cluster_shares.cache_of_one_pod(section, share, pods)

    def _again(self, pod: core.Pod, port: int, before: Mapping[str, Answer[str]]) -> str:
        """The page of the worker that answered before, with some luck."""
        first = before[pod.metadata.name].otherwise("")
        last = ""
        for _ in range(PAGE_TRIES if first else 0):
            last = self._ask.pod_page_now(pod, port, "/metrics")
            if cluster_paths.same_process(first, last):
                break
        return last

    def _looked_and_counted(
        self, where: Place, others: Sequence[core.Pod], start_s: float, own: core.Pod, used: Used | None
    ) -> Seen:
        """With the container's own counters around it."""
        if not self._looking.use_exec:
            return self._outside(where, start_s, Unavailable("exec was switched off", "leave out --no-exec"))
        first = self._ask.ask(cluster_counters.read, self._ask.client, where)
        try:
            cluster_ladder.need_room(own, used)
        except Unavailable as error:
            seen = self._outside(where, start_s, error, rate_per_s=LEAST_PER_S)
        else:
            seen = self._looked(where, others, start_s)
        with contextlib.suppress(Unavailable):  # the kubelet's counters, where they may be read, stand in
            last = cluster_counters.read(self._ask.client, where)
            seen.usage[where.pod, where.container] = cluster_counters.between(first(), last)
        return seen

    def _looked(self, where: Place, others: Sequence[core.Pod], start_s: float) -> Seen:
        """The first rung that carries; a pod that goes away meanwhile is followed by another one."""
        inside = Unavailable(f"a look inside {where.pod}", "try again")
        for place in self._places(where, others):
            try:
                return self._inside(place)
            except Lost as error:
                inside = error
                if self._left_s() < LEAST_SHARE * self._looking.budget_s:
                    break
            except NoPython as error:
                try:
                    return self._beside(place, error)
                except Unavailable as refused:
                    inside = refused
                break
            except Unavailable as error:
                inside = error
                break
        return self._outside(where, start_s, inside)

    def _outside(self, where: Place, start_s: float, refused: Unavailable, rate_per_s: float | None = None) -> Seen:
        """What can be had through a forwarded port; the rest says why it is missing.

        `rate_per_s`: of our own requests, where the user names none; None: what their answers call for.
        """
        left = [name for name in INSIDE if name not in {"requests", "timers"}]
        cluster_ladder.refused(left, refused, self._attempts.skip, "exec")
        seen = self._from_outside(where, start_s, self._looking.rate_per_s or rate_per_s)
        seen.pod = where.pod if seen.sections else ""
        return seen

    def _places(self, where: Place, others: Sequence[core.Pod]) -> list[Place]:
        return [where, *(replace(where, pod=pod.metadata.name) for pod in others[:1])]

    def _left_s(self) -> float:
        """Of the budget, without what reading the rest takes."""
        return max(0.0, self._ask.client.remaining_s(3600.0) - REST_S)

    def _inside(self, where: Place) -> Seen:
        cluster_ladder.need(self._rights.exec, "exec", where.namespace)
        self._progress(f"looking from inside {where.pod}")
        left_s = self._left_s()
        evidence = cluster_inside.look(
            self._ask.client,
            where,
            phases(self._databases, self._progress),
            budget_s=min(self._looking.budget_s * INSIDE_SHARE, left_s - ENDING_S),
            within_s=left_s,
            use_profile=self._looking.use_profile,
            headers=dict(self._looking.headers),
        )
        return self._taken(evidence, where.pod)

    def _beside(self, where: Place, lacking: NoPython) -> Seen:
        """From a debug container, or what stands in its way: known by a dry run."""
        image = self._looking.debug_image
        form = cluster_debug.would_be_admitted(self._ask.client, where, image or "unslow-probe")
        if not image:
            raise Unavailable(lacking.missing, f"{lacking.remedy} (it would be admitted here, {form})")
        self._progress(f"adding a debug container to {where.pod}")
        beside, left = cluster_debug.added(self._ask.client, where, image, self._left_s() + 2 * REST_S)
        self._attempts.skip("removal", "debug container", f"a way to remove {left}", "a new pod in its place has none")
        return self._inside(beside)

    def _taken(self, evidence: Evidence, pod: str) -> Seen:
        """Its sections and what its collectors wrote down, as of the rung that they ran on."""
        for probe in evidence.probes:
            if probe.name in INSIDE:
                self._attempts.note(
                    probe.name,
                    f"exec {probe.rung}",
                    probe.started_s,
                    probe.seconds,
                    probe.result,
                    probe.missing,
                    probe.remedy,
                )
        values = {name: getattr(evidence, name) for name in INSIDE}
        dns = evidence.cluster.dns if evidence.cluster else None
        return Seen(
            evidence.window, {name: value for name, value in values.items() if value is not None}, pod=pod, dns=dns
        )

    def _from_outside(self, where: Place, start_s: float, rate_per_s: float | None) -> Seen:
        """Timed requests and the metrics page through a forwarded port: slower by the way there."""
        try:
            cluster_ladder.need(self._rights.forward, "portforward", where.namespace)
            with forwarded(self._ask.client, where.namespace, where.pod, where.port) as forward:
                return self._measured(forward, where.path, rate_per_s)
        except Unavailable as error:
            cluster_ladder.refused(("requests", "timers"), error, self._attempts.skip, "port-forward")
        self._wait(start_s)
        return Seen(Window(start_s=start_s, end_s=time.time()))

    def _measured(self, forward: Forward, path: str, rate_per_s: float | None) -> Seen:
        base = f"http://127.0.0.1:{forward.port}"
        page = self._attempts.run("timers", "port-forward", lambda: MetricsPage([base])) if self._uses_page else None
        prober = Prober(base + path, headers=self._looking.headers, rate_per_s=rate_per_s)
        prober.start()
        try:
            start_s = time.time()
            self._databases.begin()
            if page:
                page.scrape()
            self._wait(start_s)
            self._databases.end()
            if page:
                page.scrape()
            window = Window(start_s=start_s, end_s=time.time())
            sections: dict[str, object] = {
                "requests": self._attempts.run(
                    "requests", "port-forward", lambda: prober.window(window, forward.lost, REST_S / 2)
                )
            }
            if page:
                sections["timers"] = self._attempts.run("timers", "port-forward", page.timers)
        finally:
            prober.stop()
        return Seen(window, {name: value for name, value in sections.items() if value is not None})

    @property
    def _uses_page(self) -> bool:
        return self._looking.use_metrics

    def _wait(self, start_s: float) -> None:
        seconds = max(LEAST_S, min(self._looking.budget_s * SHARE, self._left_s() + time.time() - start_s))
        while (left := start_s + seconds - time.time()) > 0:
            self._progress(f"reading the cluster: {left:.0f} s left")
            time.sleep(min(0.5, left))
