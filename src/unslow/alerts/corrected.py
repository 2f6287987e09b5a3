"""The corrected rule: the mean of all requests, their tail, and completions that stop; with promtool unit tests."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec
import yaml

from unslow.alerts.rules import Matcher, Rule, meant_seconds
from unslow.collect import promql
from unslow.errors import BadInput

OVER = "5m"
HANG_OVER_S = 120
LEAST_FOR_MEAN = 20
LEAST_FOR_P99 = 100
"""A p99 of fewer requests is the slowest one."""
EXPECTED = 20
"""Completions expected in a silent window: at 20, chance leaves it empty once in five hundred million times."""
FOR_MEAN, FOR_HANG = "2m", "1m"


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What to watch: `limit` is in the metric's own unit; `in_flight` is a gauge's name or empty."""

    name: str
    metric: str
    limit: float
    matchers: tuple[Matcher, ...] = ()
    by: tuple[str, ...] = ("job",)
    in_flight: str = ""
    labels: dict[str, str] = {}


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    expression: str
    for_text: str
    labels: dict[str, str]
    summary: str


def wanted(rule: Rule, by: Sequence[str] = (), in_flight: str = "") -> Wanted:
    """What a rule on latency meant. BadInput when it names no histogram or no limit."""
    if not rule.base or rule.limit is None:
        raise BadInput(f"alert {rule.name!r} compares no duration metric with a number", "write the limit: `> 1`")
    matchers = tuple(one for one in rule.timed[0].matchers if one.label not in {"le", "quantile"})
    return Wanted(
        name=re.sub(r"\W", "", rule.name) or "ServiceLatency",
        metric=promql.metric_name(rule.base),
        limit=rule.limit * (1000 if meant_seconds(rule) else 1),
        matchers=matchers,
        by=tuple(by) or ("job",),
        in_flight=promql.metric_name(in_flight) if in_flight else "",
        labels=dict(rule.labels) or {"severity": "warning"},
    )


def alerts(what: Wanted) -> tuple[Alert, ...]:
    """Three alerts: mean, tail, and completions that stop."""
    by = ", ".join(what.by)
    chosen = _selector(what.matchers)
    sums, counts, buckets = (f"{what.metric}_{part}{chosen}" for part in ("sum", "count", "bucket"))
    limit = f"{what.limit:g}"
    expected = f"sum by ({by}) (rate({counts}[30m] offset 5m)) * {HANG_OVER_S} > {EXPECTED}"
    hang = f"({expected})\nunless\n(sum by ({by}) (rate({counts}[{HANG_OVER_S}s])) > 0)"
    if what.in_flight:
        hang += f"\nand\n(sum by ({by}) ({what.in_flight}{chosen}) > 0)"
    mean = f"sum by ({by}) (rate({sums}[{OVER}]))\n/\nsum by ({by}) (rate({counts}[{OVER}]))\n> {limit}"
    tail = f"histogram_quantile(0.99, sum by (le, {by}) (rate({buckets}[{OVER}])))\n> {limit}"
    parts = (
        ("", _guarded(mean, by, counts, LEAST_FOR_MEAN), FOR_MEAN, "the mean response time is above the limit"),
        ("Tail", _guarded(tail, by, counts, LEAST_FOR_P99), FOR_MEAN, "one request in a hundred is above the limit"),
        ("Hang", hang, FOR_HANG, "requests were expected and none completes"),
    )
    return tuple(
        Alert(name=what.name + suffix, expression=text, for_text=held, labels=what.labels, summary=summary)
        for suffix, text, held, summary in parts
    )


def _guarded(expression: str, by: str, counts: str, least: int) -> str:
    return f"({expression})\nand\n(sum by ({by}) (increase({counts}[{OVER}])) >= {least})"


def _selector(matchers: Sequence[Matcher]) -> str:
    inside = ",".join(f"{one.label}{one.operator}{promql.quoted(one.value)}" for one in matchers)
    return f"{{{inside}}}" if inside else ""


def rule_file(what: Sequence[Wanted]) -> str:
    """A Prometheus rule file, as YAML."""
    groups = [
        {
            "name": f"{one.name}-corrected",
            "rules": [
                {
                    "alert": alert.name,
                    "expr": alert.expression,
                    "for": alert.for_text,
                    "labels": dict(alert.labels),
                    "annotations": {"summary": alert.summary},
                }
                for alert in alerts(one)
            ],
        }
        for one in what
    ]
    return _yaml({"groups": groups})


def test_file(what: Sequence[Wanted], rules_name: str) -> str:
    """Unit tests for `promtool test rules`, beside the rule file `rules_name`."""
    return _yaml(
        {
            "rule_files": [rules_name],
            "evaluation_interval": "30s",
            "tests": [test for one in what for test in _tests(one)],
        }
    )


def _yaml(document: dict[str, Any]) -> str:
    text: str = yaml.dump(document, Dumper=_Plain, sort_keys=False, width=118)
    return text


class _Plain(yaml.SafeDumper):
    """Expressions of several lines as blocks, and no anchors."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Plain.add_representer(str, _text)


def _tests(what: Wanted) -> list[dict[str, Any]]:
    """Each history: (name, seconds a request, requests per 30 s, share at four times the limit, minute of the hang)."""
    histories: tuple[tuple[str, float, int, float, bool, set[str]], ...] = (
        ("slow", 3.0, 30, 1.0, False, {"", "Tail"}),
        ("healthy and busy", 0.02, 6000, 0.0, False, set()),
        ("slow tail", 0.22, 1500, 0.05, False, {"Tail"}),
        ("hang", 0.02, 150, 0.0, True, {"Hang"}),
        ("one slow request now and then", 3.0, 1, 1.0, False, set()),
    )
    return [
        {
            "name": f"{what.name}: {name}",
            "interval": "30s",
            "input_series": _input(what, mean, each, share, hangs),
            "alert_rule_test": [
                {
                    "eval_time": "58m",
                    "alertname": alert.name,
                    "exp_alerts": [
                        {
                            "exp_labels": {**alert.labels, **_grouped(what)},
                            "exp_annotations": {"summary": alert.summary},
                        }
                    ]
                    if alert.name.removeprefix(what.name) in fires
                    else [],
                }
                for alert in alerts(what)
            ],
        }
        for name, mean, each, share, hangs, fires in histories
    ]


def _input(what: Wanted, mean: float, each: int, share: float, hangs: bool) -> list[dict[str, str]]:
    """Counters that grow for an hour, or stop after 50 minutes; `mean` in limits."""

    def one(suffix: str, step: float, more: dict[str, str]) -> dict[str, str]:
        labels = {**_labels(what), "pod": "a", **more}
        inside = ",".join(f"{name}={promql.quoted(value)}" for name, value in labels.items())
        values = f"0+{step:g}x100 {100 * step:g}+0x20" if hangs else f"0+{step:g}x120"
        return {"series": f"{what.metric}{suffix}{{{inside}}}", "values": values}

    fast = each * (1 - share)
    made = [
        one("_sum", each * mean * what.limit, {}),
        one("_count", each, {}),
        one("_bucket", fast, {"le": f"{what.limit:g}"}),
        one("_bucket", each, {"le": f"{4 * what.limit:g}"}),
        one("_bucket", each, {"le": "+Inf"}),
    ]
    if what.in_flight:
        gauge = one("", 0, {})
        made.append({"series": gauge["series"].replace(what.metric, what.in_flight, 1), "values": "3+0x120"})
    return made


def _labels(what: Wanted) -> dict[str, str]:
    found = dict.fromkeys(what.by, "one")
    found.update({one.label: _fitting(one) for one in what.matchers if one.operator in {"=", "=~"}})
    return {name: value for name, value in found.items() if value}


def _grouped(what: Wanted) -> dict[str, str]:
    labels = _labels(what)
    return {name: labels[name] for name in what.by if name in labels}


def _fitting(matcher: Matcher) -> str:
    """A value that the matcher takes."""
    if matcher.operator == "=":
        return matcher.value
    plain = re.sub(r"\.[*+]|\[[^\]]*\][*+?]?", "1", matcher.value)
    tried = (*plain.strip("()").split("|"), *matcher.value.split("|"), "one")
    try:
        return next((one for one in tried if one and re.fullmatch(matcher.value, one)), "one")
    except re.error:
        return "one"
