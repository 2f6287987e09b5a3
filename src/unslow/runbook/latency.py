"""The latency query, done right: pooled mean, percentiles and rate, by service, route and pod."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence

from unslow.collect import promql
from unslow.collect.prometheus import choose
from unslow.collect.prometheus_api import Api, number
from unslow.errors import Unavailable
from unslow.runbook.monitoring import Rule, alert_rules, reached
from unslow.runbook.situation import Situation, table
from unslow.runbook.step import Gap, Outcome

TITLE = "Service latency metrics"
SECTION = "Initial Assessment 3"
ASKS = "How slow is it: mean, p50, p95, p99 and rate over five minutes, by service, route and pod?"
OVER = "5m"
LONGEST = 12
"""Rows of one table."""
_SERVICE = ("service", "app", "job", "service_name", "destination_workload", "deployment", "container")
_ROUTE = ("route", "handler", "http_route", "path", "url_rule", "endpoint", "uri")
_CANDIDATES = '{__name__=~".*(http|request|rpc).*(duration|latency|seconds|milliseconds).*_count",namespace=%s}'
_IN_FLIGHT = '{__name__=~".*(in_flight|inflight|inprogress|in_progress|active_requests).*",namespace=%s}'
_SUM_OF_RATE = re.compile(r"rate\(\s*\w*_sum\b")


def commands(situation: Situation) -> tuple[str, ...]:
    matcher = f"namespace={promql.quoted(situation.namespace)}"
    mean = (
        f"sum by (service) (rate(http_request_duration_seconds_sum{{{matcher}}}[{OVER}])) / "
        f"sum by (service) (rate(http_request_duration_seconds_count{{{matcher}}}[{OVER}]))"
    )
    return (
        "kubectl port-forward -n NAMESPACE-OF-PROMETHEUS svc/prometheus 9090",
        f"promtool query instant http://localhost:9090 '{mean}'",
    )


def run(situation: Situation) -> Outcome:
    situation.progress("asking Prometheus")
    gaps: list[Gap] = []
    try:
        with reached(situation) as address:
            api = Api(address)
            result, means = _measured(api, situation)
            try:
                means += [text for rule in alert_rules(address) for text in judged(rule)]
            except Unavailable as error:
                gaps.append(Gap(error.missing, error.remedy))
            gaps += [Gap(f"all of the answer: Prometheus warns {text!r}", "ask again later") for text in api.warnings]
    except Unavailable as error:
        return Outcome(state="unavailable", gaps=(Gap(error.missing, error.remedy),), means=own_requests(situation))
    return Outcome(result=tuple(result), means=(*means, *own_requests(situation)), gaps=tuple(gaps))


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
    labels = ",".join(("__name__", "namespace", "pod", *_SERVICE, *_ROUTE))
    candidates = _CANDIDATES % promql.quoted(situation.namespace)
    found = [one.metric for one in api.instant(f"count by ({labels}) ({candidates})", at_s)]
    if not found:
        raise Unavailable(
            f"a histogram of request durations in namespace {situation.namespace} at {api.name}",
            "export one from the application, or scrape the ingress or the mesh",
        )
    metric = choose(found, "", "", api.name).metric
    same = [one for one in found if one["__name__"] == f"{metric}_count"]
    unit = 1.0 if metric.endswith(("_milliseconds", "_ms")) else 1e3
    lines: list[str] = [f"{metric}, over {OVER}, times in ms"]
    for title, names in (("SERVICE", _SERVICE), ("ROUTE", _ROUTE), ("POD", ("pod",))):
        label = _present(same, names)
        if label:
            lines += _grouped(api, metric, situation.namespace, label, title, unit, at_s)
    busy = api.instant(f"sum ({_IN_FLIGHT % promql.quoted(situation.namespace)})", at_s)
    lines += [f"in flight now: {busy[0].value[1]}" for _ in busy[:1] if busy[0].value]
    blind = [] if busy else ["No gauge of requests in flight: a complete hang would show as silence, not as slowness."]
    return lines, blind


def _present(found: Sequence[Mapping[str, str]], names: Sequence[str]) -> str:
    return next((name for name in names if any(one.get(name) for one in found)), "")


def _grouped(
    api: Api, metric: str, namespace: str, label: str, title: str, unit: float, at_s: float
) -> tuple[str, ...]:
    """Slowest first. The quantiles come from buckets that were added up, never from an average of quantiles."""
    sums, counts, buckets = (
        promql.selector(f"{metric}_{part}", {"namespace": namespace}) for part in ("sum", "count", "bucket")
    )
    means = _by(
        api, f"sum by ({label}) (rate({sums}[{OVER}])) / sum by ({label}) (rate({counts}[{OVER}]))", label, at_s
    )
    rates = _by(api, f"sum by ({label}) (rate({counts}[{OVER}]))", label, at_s)
    quantiles = {
        q: _by(api, f"histogram_quantile({q}, sum by (le, {label}) (rate({buckets}[{OVER}])))", label, at_s)
        for q in (0.5, 0.95, 0.99)
    }
    head = (title, "MEAN", "P50", "P95", "P99", "PER SECOND")
    rows: list[tuple[str, ...]] = []
    for name in sorted(means, key=lambda one: -means[one])[:LONGEST]:
        times = [means[name], *(quantiles[q].get(name) for q in sorted(quantiles))]
        rows.append(
            (name, *("-" if one is None else f"{one * unit:.0f}" for one in times), f"{rates.get(name, 0):.2f}")
        )
    return table(head, rows)


def _by(api: Api, query: str, label: str, at_s: float) -> dict[str, float]:
    found: dict[str, float] = {}
    for one in api.instant(query, at_s):
        value = number(one.value[1]) if one.value else None
        if value is not None and value == value:  # 0/0: nothing was asked
            found[one.metric.get(label, "")] = value
    return found


def judged(rule: Rule) -> list[str]:
    """What is wrong with an alert rule on latency, in one sentence each."""
    told = []
    if _SUM_OF_RATE.search(rule.query) and "/" not in rule.query:
        told.append(
            f"Alert {rule.name!r} compares rate(..._sum) with a time: that is seconds of work per second, which grows "
            "with traffic. Divide by rate(..._count)."
        )
    elif "rate(" in rule.query and "sum" not in rule.query.replace("_sum", ""):
        told.append(f"Alert {rule.name!r} has no `sum by`: each pod, route and status is judged alone.")
    return told
