"""The latency query, done right: pooled mean, percentiles and rate, by service, route and pod."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence

from unslow.alerts import rules
from unslow.alerts.lint import judge_all
from unslow.alerts.rules import Rule
from unslow.collect import prom_native, prom_workload, prometheus, promql
from unslow.collect.prom_assess import Assessed, assess
from unslow.collect.prom_workload import NoMetric, Owner
from unslow.collect.prometheus import Source, choose
from unslow.collect.prometheus_api import Api
from unslow.errors import Unavailable
from unslow.headline import readable
from unslow.report.words import sentence
from unslow.runbook.monitoring import reached
from unslow.runbook.situation import Situation, table
from unslow.runbook.step import Gap, Outcome

TITLE = "Service latency metrics"
SECTION = "Initial Assessment 3"
ASKS = "How slow is it: mean, p50, p95, p99 and rate over five minutes, by service, route and pod?"
OVER_S = 300.0
LONGEST = 12
"""Rows of one table."""
_SERVICE = ("service", "app", "job", "service_name", "destination_workload", "deployment", "container")
_POD = ("pod",)
SERVICE, ROUTE, POD = "SERVICE", "ROUTE", "POD"
_PROBED = re.compile(promql.PROBES)
UNLIKE = 2.0
"""A pod whose mean is this many times another's is no twin."""
_IN_FLIGHT = '{__name__=~".*(in_flight|inflight|inprogress|in_progress|active_requests).*",namespace=%s}'


def commands(situation: Situation) -> tuple[str, ...]:
    matcher = f"namespace={promql.quoted(situation.namespace)}"
    mean = (
        f"sum by (service) (rate(http_request_duration_seconds_sum{{{matcher}}}[5m])) / "
        f"sum by (service) (rate(http_request_duration_seconds_count{{{matcher}}}[5m]))"
    )
    return (
        "kubectl port-forward -n NAMESPACE-OF-PROMETHEUS svc/prometheus 9090",
        f"promtool query instant http://localhost:9090 '{mean}'",
    )


def run(situation: Situation) -> Outcome:
    situation.progress("asking Prometheus")
    gaps: list[Gap] = []
    try:
        with reached(situation) as api:
            result, means = _measured(api, situation)
            try:
                means += judged(rules.on_latency(rules.answered(api.rules())))
            except Unavailable as error:
                gaps.append(Gap(error.missing, error.remedy))
            gaps += [Gap(f"all of the answer: Prometheus warns {text!r}", "ask again later") for text in api.warnings]
    except Unavailable as error:
        return Outcome(state="unavailable", gaps=(Gap(error.missing, error.remedy),), means=own_requests(situation))
    return Outcome(result=tuple(result), means=(*before(situation), *means, *own_requests(situation)), gaps=tuple(gaps))


def own_requests(situation: Situation) -> tuple[str, ...]:
    """What unslow's own timed requests or the application's timers say, whatever Prometheus has."""
    times = situation.diagnosis.percentiles
    if times is None or not times.n:
        return ()
    return (
        f"In the window of this run ({times.n} requests): mean {times.mean_ms:.0f} ms, p50 {times.p50_ms:.0f}, "
        f"p95 {times.p95_ms:.0f}, p99 {times.p99_ms:.0f} ms.",
    )


def _measured(api: Api, situation: Situation) -> tuple[list[str], list[str]]:
    at_s = time.time()
    namespace = situation.namespace
    labels = ("__name__", "namespace", "pod", *_SERVICE, *prometheus.ROUTE_LABELS)
    within = f"namespace={promql.quoted(namespace)}"
    candidates = f"{{{prometheus.CANDIDATES},{within}}}"
    known = [one.metric for one in api.instant(f"count by ({','.join(labels)}) ({candidates})", at_s)]
    found = [one for one in known if prometheus.serves(one["__name__"])]
    native = not found
    if native:
        known = prom_native.named(api, f"{{{prometheus.NATIVE},{within}}}", labels, at_s)
        found = [one for one in known if prometheus.serves(one["__name__"])]
    if not found:
        raise Unavailable(
            f"a histogram of request durations in namespace {namespace} at {api.name}",
            "export one from the application, or scrape the ingress or the mesh",
        )
    metric = choose(found, "", "", api.name).metric
    same = [one for one in found if one["__name__"] == f"{metric}_count"]
    unit = 1.0 if metric.endswith(("_milliseconds", "_ms")) else 1e3
    lines: list[str] = [f"{metric}{' (native histogram)' if native else ''}, over {OVER_S / 60:.0f} min, times in ms"]
    all_of_it = Source(metric=metric, equal={"namespace": namespace}, native=native)
    own = _own(api, situation, metric, at_s) or all_of_it
    groups = {
        title: assess(
            api, metric, label, at_s, over_s=OVER_S, equal=source.equal, like=source.like, native=source.native
        )
        for title, names, source in (
            (SERVICE, _SERVICE, all_of_it),
            (ROUTE, prometheus.ROUTE_LABELS, own),
            (POD, _POD, own),
        )
        if (label := _present(same, names))
    }
    for title, found_there in groups.items():
        lines += drawn(found_there, title, unit)
    capped = any(one.capped for there in groups.values() for one in there[:LONGEST])
    busy = api.instant(f"sum ({_IN_FLIGHT % promql.quoted(namespace)})", at_s)
    lines += [f"in flight now: {busy[0].value[1]}" for _ in busy[:1] if busy[0].value]
    means = list(in_words(situation.name, groups, unit)) if own is not all_of_it else []
    if not busy:
        means.append("No gauge of requests in flight: a complete hang would show as silence, not as slowness.")
    if capped:
        means.append(
            "A p99 marked > lies beyond the last finite bucket: it may be any time longer. Add larger buckets."
        )
    return lines, means


def _own(api: Api, situation: Situation, metric: str, at_s: float) -> Source | None:
    """What holds for the workload's own series of this metric; None where its labels do not tell them apart."""
    owner = Owner(namespace=situation.namespace, kind=situation.kind, name=situation.name)
    try:
        source = prom_workload.found(api, owner, "", at_s)
    except NoMetric:
        return None
    return source if source.metric == metric else None


def in_words(name: str, groups: Mapping[str, Sequence[Assessed]], unit: float) -> Iterator[str]:
    """How slow the workload is, on which route, and whether one of its pods is slower than the others."""
    routes = [one for one in groups.get(ROUTE, ()) if one.mean is not None and not _PROBED.fullmatch(one.group)]
    parts = routes or [one for one in groups.get(POD, ()) if one.mean is not None]
    per_s = sum(one.per_s for one in parts)
    if per_s > 0:
        mean = sum((one.mean or 0.0) * one.per_s for one in parts) / per_s
        told = f"{name}: {mean * unit:.0f} ms on average, {per_s:.1f} requests a second"
        if len(routes) > 1:
            told += (
                f", probes left out; its slowest route is {routes[0].group} ({(routes[0].mean or 0.0) * unit:.0f} ms)"
            )
        yield f"{told}."
    pods = [one for one in groups.get(POD, ()) if one.mean]
    if len(pods) > 1:
        slowest, fastest = (one.mean or 0.0 for one in (pods[0], pods[-1]))
        if slowest > UNLIKE * fastest:
            yield f"Its pods differ: {pods[0].group} takes {slowest * unit:.0f} ms, {pods[-1].group} {fastest * unit:.0f} ms."
        else:
            yield f"Its {len(pods)} pods are alike: {fastest * unit:.0f} to {slowest * unit:.0f} ms."


def before(situation: Situation) -> tuple[str, ...]:
    """What it took before, and since when it takes more."""
    diagnosis = situation.diagnosis
    if diagnosis.onset and diagnosis.reference.kind == "before":
        account = diagnosis.account
        return (
            f"Before {readable(diagnosis.onset)} {situation.evidence.target.path} took {account.before_ms:.0f} ms on average; "
            f"in the window of this run it takes {account.now_ms:.0f} ms.",
        )
    if situation.evidence.series is not None:
        return (sentence(diagnosis.reference.note.partition(":")[0]),)
    return ()


def _present(found: Sequence[Mapping[str, str]], names: Sequence[str]) -> str:
    return next((name for name in names if any(one.get(name) for one in found)), "")


def drawn(groups: Sequence[Assessed], title: str, unit: float) -> tuple[str, ...]:
    """Slowest first; `unit` makes milliseconds of the metric's own unit."""
    rows: list[tuple[str, ...]] = []
    for one in groups[:LONGEST]:
        times = ["-" if time is None else f"{time * unit:.0f}" for time in (one.mean, *one.quantiles)]
        if one.capped:
            times[-1] = f">{times[-1]}"
        rows.append((one.group, *times, f"{one.per_s:.2f}"))
    return table((title, "MEAN", "P50", "P95", "P99", "PER SECOND"), rows)


def judged(found: Sequence[Rule]) -> list[str]:
    """What is wrong with the team's alert rules on latency: the gravest fault of each, and where to read the rest."""
    told = []
    for rule, faults in judge_all(found):
        if faults:
            more = f" And {len(faults) - 1} more: unslow alerts lint." if len(faults) > 1 else ""
            told.append(f"Alert {rule.name!r}: {faults[0].says}. Remedy: {faults[0].remedy}.{more}")
    return told
