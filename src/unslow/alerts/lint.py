"""What is wrong with a latency alert rule: each fault with what it does to whoever is on call."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import msgspec

from unslow.alerts.rules import Rule, meant_seconds

SCRAPES = 4
_GROUP = re.compile(r"\b(sum|avg|min|max|count)\s*(?:(by|without)\s*\(([^)]*)\))?\s*\(")
_AFTER = re.compile(r"\)\s*(by|without)\s*\(([^)]*)\)")


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One fault of a rule. `kind` never changes its meaning."""

    kind: str
    says: str
    remedy: str


def judge(rule: Rule, scrape_s: float = 30.0) -> tuple[Fault, ...]:
    """The faults of a rule on latency, gravest first; none for a rule on something else."""
    if not rule.timed:
        return ()
    return tuple(found for one in _CHECKS if (found := one(rule, scrape_s)) is not None)


def judge_all(rules: Sequence[Rule], scrape_s: float = 30.0) -> list[tuple[Rule, tuple[Fault, ...]]]:
    """Each rule on latency with its faults; what another rule on the same metric covers is no fault."""
    judged = [(rule, judge(rule, scrape_s)) for rule in rules if rule.timed]
    covered = {
        (rule.base, kind)
        for rule, faults in judged
        for kind in ("mean_hides_tail", "blind_to_hang")
        if kind not in {one.kind for one in faults} and (kind != "mean_hides_tail" or _has(rule, "_bucket"))
    }
    return [(rule, tuple(one for one in faults if (rule.base, one.kind) not in covered)) for rule, faults in judged]


def _stops(rule: Rule) -> bool:
    """Whether it watches for completions that stop, not for slow ones."""
    return bool(re.search(r"absent|\boffset\b|\bunless\b", rule.structure))


def _has(rule: Rule, suffix: str) -> bool:
    return any(part.metric.endswith(suffix) for part in rule.timed)


def _by(rule: Rule) -> list[set[str]]:
    """The labels of each `by`, written before or after the argument."""
    told = [(word, labels) for _, word, labels in _GROUP.findall(rule.structure)] + _AFTER.findall(rule.structure)
    return [{one.strip() for one in labels.split(",") if one.strip()} for word, labels in told if word == "by"]


def _rate_of_sum(rule: Rule, scrape_s: float) -> Fault | None:
    if not _has(rule, "_sum") or "/" in rule.structure:
        return None
    return Fault(
        kind="rate_of_sum",
        says="rate(..._sum) is the seconds of work done per second: the average number of requests in flight, not a "
        "time. It grows with traffic and is small for a slow service that few people use",
        remedy="divide by rate(..._count), summed the same way",
    )


def _no_rate(rule: Rule, scrape_s: float) -> Fault | None:
    if not (_has(rule, "_sum") or _has(rule, "_bucket")) or re.search(
        r"\b(i?rate|increase|delta)\s*\(", rule.structure
    ):
        return None
    return Fault(
        kind="no_rate",
        says="the counters are read since the process started, so an hour of slowness drowns in a week of health",
        remedy="take rate(...[5m]) of each counter",
    )


def _le_lost(rule: Rule, scrape_s: float) -> Fault | None:
    if "histogram_quantile" not in rule.structure or not _has(rule, "_bucket"):
        return None
    grouped = _by(rule)
    if not grouped or any("le" in labels for labels in grouped):
        return None
    return Fault(
        kind="le_lost",
        says="the buckets are added up without `le`, so histogram_quantile has no edges and gives nothing: it never "
        "fires",
        remedy="add `le` to the labels of `sum by`",
    )


def _not_pooled(rule: Rule, scrape_s: float) -> Fault | None:
    if re.search(r"\bsum\b", rule.structure):
        return None
    return Fault(
        kind="not_pooled",
        says="without `sum by` each pod, route and status is judged alone: one rare slow route pages, and a fault "
        "spread over all of them does not",
        remedy="sum by the service on both sides of the division",
    )


def _averaged(rule: Rule, scrape_s: float) -> Fault | None:
    if not re.search(r"\bavg\b", rule.structure) or "avg_over_time" in rule.structure:
        return None
    return Fault(
        kind="average_of_averages",
        says="`avg` gives a pod with one request the weight of a pod with a thousand",
        remedy="sum the sums and the counts, then divide",
    )


def _mismatch(rule: Rule, scrape_s: float) -> Fault | None:
    sums = {part.matchers for part in rule.timed if part.metric.endswith("_sum")}
    counts = {part.matchers for part in rule.timed if part.metric.endswith("_count")}
    grouped = _by(rule)
    different_labels = "/" in rule.structure and len({frozenset(labels - {"le"}) for labels in grouped}) > 1
    if not different_labels and not (
        sums and counts and {frozenset(s) for s in sums} != {frozenset(c) for c in counts}
    ):
        return None
    return Fault(
        kind="label_mismatch",
        says="the two sides of the division are selected or grouped differently: it divides one set of requests by "
        "another, or matches nothing and never fires",
        remedy="the same matchers and the same `by` on both sides",
    )


def _tail_hidden(rule: Rule, scrape_s: float) -> Fault | None:
    if "histogram_quantile" in rule.structure or _has(rule, "_bucket") or _stops(rule):
        return None
    return Fault(
        kind="mean_hides_tail",
        says="a mean hides the tail: five requests in a hundred at four seconds move it by 0.2 s",
        remedy="a second rule on p99 from the histogram's buckets",
    )


def _hang_unseen(rule: Rule, scrape_s: float) -> Fault | None:
    if _stops(rule):
        return None
    return Fault(
        kind="blind_to_hang",
        says="durations are counted when a request ends: while everything hangs there is nothing to divide (0/0 is "
        "NaN), and the alert resolves in the worst minute",
        remedy="a rule on completions that stop while requests are in flight or were expected",
    )


def _no_guard(rule: Rule, scrape_s: float) -> Fault | None:
    if _stops(rule) or re.search(r"_count\b.*(>=?)\s*[\d.]+", rule.structure.partition(" and ")[2]):
        return None
    return Fault(
        kind="no_traffic_guard",
        says="one slow request in a quiet hour is a mean and a p99 of its own",
        remedy="`and` a least number of requests in the window",
    )


def _no_for(rule: Rule, scrape_s: float) -> Fault | None:
    if rule.for_s > 0:
        return None
    return Fault(
        kind="no_for", says="without `for` a single evaluation pages, and it flaps at the limit", remedy="add `for: 2m`"
    )


def _slow(rule: Rule, scrape_s: float) -> Fault | None:
    longest = max((part.over_s or 0.0 for part in rule.timed), default=0.0)
    if rule.for_s < longest or rule.for_s < 300:
        return None
    return Fault(
        kind="late",
        says=f"a window of {longest:g} s and `for` of {rule.for_s:g} s add up: it may come "
        f"{(longest + rule.for_s) / 60:.0f} minutes late",
        remedy="a `for` shorter than the window, since the window smooths already",
    )


def _short_window(rule: Rule, scrape_s: float) -> Fault | None:
    shortest = min((part.over_s for part in rule.timed if part.over_s), default=None)
    if shortest is None or shortest >= SCRAPES * scrape_s:
        return None
    return Fault(
        kind="window_too_short",
        says=f"a window of {shortest:g} s holds fewer than {SCRAPES} scrapes of {scrape_s:g} s: one late scrape and the "
        "rate is gone",
        remedy=f"at least {SCRAPES * scrape_s:g} s",
    )


def _no_limit(rule: Rule, scrape_s: float) -> Fault | None:
    if rule.limit is not None:
        return None
    return Fault(kind="no_limit", says="it is compared with no number", remedy="compare with a time: `> 1`")


def _unit(rule: Rule, scrape_s: float) -> Fault | None:
    if rule.limit is None or not meant_seconds(rule):
        return None
    return Fault(
        kind="unit",
        says=f"the metric is in milliseconds and the limit is {rule.limit:g}: that looks like seconds",
        remedy=f"compare with {rule.limit * 1000:g}",
    )


_CHECKS: tuple[Callable[[Rule, float], Fault | None], ...] = (
    _rate_of_sum, _no_rate, _le_lost, _mismatch, _unit, _no_limit, _hang_unseen, _not_pooled, _averaged,
    _tail_hidden, _no_guard, _no_for, _short_window, _slow,
)  # fmt: skip
