"""Evidence -> Diagnosis. Pure: the same evidence gives the same document, byte for byte."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from typing import Literal

from unslow import checks
from unslow.diagnosis import (
    AccountLine,
    AccountTable,
    Cause,
    ClearCheck,
    Diagnosis,
    EvidenceItem,
    FlameStack,
    Percentiles,
    ProbeRun,
    QueryPlan,
    Reference,
    SkippedCheck,
    TargetName,
    TimePoint,
    Where,
    WindowTimes,
)
from unslow.evidence import Evidence
from unslow.evidence.series import Series
from unslow.finding import Clear, Finding, Skipped
from unslow.headline import headline, readable
from unslow.measure.account import Account, Line, account, interval_ms
from unslow.measure.answers import Failures, answered, failures
from unslow.measure.in_app import KIND_OF_STACK
from unslow.measure.onset import known_s, lasting, onset_s, over_s
from unslow.measure.quantities import percentile
from unslow.measure.significance import DOMINANT_S, GROWN_RATIO, GROWN_S, STANDARD_ERRORS
from unslow.measure.stacks import place_of, samples_of_route, stack_of
from unslow.ranking import SURE_ENOUGH, Granted, rank
from unslow.traced import service_map, traced_requests

Verdict = Literal["slow", "healthy", "unknown"]
SHOWN_STACKS = 1500
"""The flame graph's smallest boxes are dropped beyond this; they are thinner than a pixel."""


def diagnose(evidence: Evidence, *, skip: frozenset[str] = frozenset()) -> Diagnosis:
    """Run every check but those in `skip` on the evidence, and rank what they found."""
    the_account = account(evidence)
    known = checks.all_checks().items()
    chosen = {name: check for name, check in known if name not in skip and checks.applies(check, evidence)}
    outcomes = {name: checks.run(check, evidence, the_account) for name, check in chosen.items()}
    findings = {name: outcome for name, outcome in outcomes.items() if isinstance(outcome, Finding)}
    clear = [ClearCheck(check=name, because=o.because) for name, o in outcomes.items() if isinstance(o, Clear)]
    if the_account and not has_risen(the_account):
        quiet = {name for name, finding in findings.items() if finding.claims}
        clear += [ClearCheck(check=name, because=f"latency has not risen; {findings[name].because}") for name in quiet]
        findings = {name: finding for name, finding in findings.items() if name not in quiet}
    granted, explained = rank(findings, the_account, _utilization(evidence))
    clear += [ClearCheck(check=one.check, because=one.because) for one in explained]
    causes = tuple(_cause(one) for one in granted)
    verdict = _verdict(the_account, causes, failures(evidence.requests))
    reference = _reference(evidence, the_account)
    onset = onset_s(evidence.series) if evidence.series else None
    return Diagnosis(
        target=TargetName(name=evidence.target.name, kind=evidence.target.kind, service=evidence.target.service),
        window=WindowTimes(start=_utc(evidence.window.start_s), end=_utc(evidence.window.end_s)),
        reference=reference,
        headline=headline(evidence, the_account, causes, verdict, reference, _utc(onset) if onset else None),
        verdict=verdict,
        account=_table(the_account),
        causes=causes,
        clear=tuple(sorted(clear, key=lambda one: one.check)),
        skipped=tuple(
            SkippedCheck(check=name, missing=o.missing, remedy=o.remedy)
            for name, o in outcomes.items()
            if isinstance(o, Skipped)
        ),
        evidence=tuple(
            EvidenceItem(id=i.id, title=i.title, command=i.command, value=i.value, unit=i.unit, n=i.n)
            for i in evidence.items
        ),
        probes=tuple(
            ProbeRun(
                name=p.name,
                rung=p.rung,
                started=_utc(p.started_s),
                seconds=round(p.seconds, 3),
                result=p.result,
                missing=p.missing,
                remedy=p.remedy,
            )
            for p in evidence.probes
        ),
        percentiles=_percentiles(evidence),
        before_percentiles=_percentiles(evidence.reference) if evidence.reference else None,
        timeline=_timeline(evidence),
        onset=_utc(onset) if onset else None,
        flame=_flame(evidence, the_account),
        plans=_plans(evidence),
        services=service_map(evidence.spans, evidence.reference.spans if evidence.reference else None),
        traced=traced_requests(evidence.spans),
        redacted=evidence.redacted,
    )


def has_risen(the_account: Account) -> bool:
    """Whether the response time itself is beyond its reference; without one this cannot be denied."""
    if the_account.before is None:
        return True
    least = max(GROWN_S, GROWN_RATIO * the_account.now.mean_s, STANDARD_ERRORS * the_account.excess_se_s)
    return the_account.excess_s >= least


def _utilization(evidence: Evidence) -> float | None:
    if evidence.cpu is None or evidence.server is None or evidence.cpu.busy_mean is None:
        return None
    return evidence.cpu.busy_mean / evidence.server.slots if evidence.server.slots else None


def _verdict(the_account: Account | None, causes: tuple[Cause, ...], failed: Failures | None) -> Verdict:
    if the_account is None:
        return "unknown"
    risen = the_account.before is not None and has_risen(the_account)
    if risen or any(cause.excess_ms > 0 for cause in causes):
        return "slow"
    if failed and failed.are_most:
        return "unknown"
    return "unknown" if _is_dark(the_account, causes) else "healthy"


def _is_dark(the_account: Account, causes: tuple[Cause, ...]) -> bool:
    """Whether most of the time is unexplained, and it may matter or hide what was found: then nobody can call it healthy."""
    dark_s = the_account.unexplained_s
    matters = dark_s >= DOMINANT_S or any(cause.confidence >= SURE_ENOUGH for cause in causes)
    return matters and dark_s >= MOSTLY * the_account.now.mean_s


MOSTLY = 0.5


def _reference(evidence: Evidence, the_account: Account | None) -> Reference:
    if evidence.reference is not None:
        window = evidence.reference.window
        return Reference(kind="baseline", start=_utc(window.start_s), end=_utc(window.end_s))
    if the_account and the_account.before is not None and evidence.series:
        start = evidence.series.points[0].at_s
        return Reference(kind="before", start=_utc(start), end=_utc(onset_s(evidence.series) or start))
    return Reference(
        kind="none", note=f"{_without_rise(evidence.series)}: the account explains the whole response time"
    )


def _without_rise(series: Series | None) -> str:
    seconds = known_s(series) if series else None
    if series is None or seconds is None:
        return "no earlier measurement"
    over = over_s(series)
    return (
        f"the latest rise was over at {readable(_utc(over))}"
        if over
        else f"no rise above what was usual in the last {lasting(seconds)}"
    )


def _table(the_account: Account | None) -> AccountTable:
    if the_account is None:
        return AccountTable(
            before_ms=0.0,
            now_ms=0.0,
            excess_ms=0.0,
            unexplained_ms=0.0,
            interval_ms=(0.0, 0.0),
            requests=0,
            lines=(),
            notes=("no response time could be measured",),
        )
    return AccountTable(
        before_ms=the_account.before_s * 1e3,
        now_ms=the_account.now.mean_s * 1e3,
        excess_ms=the_account.excess_s * 1e3,
        unexplained_ms=the_account.unexplained_s * 1e3,
        interval_ms=interval_ms(the_account.excess_s, the_account.excess_se_s),
        requests=the_account.now.n,
        lines=tuple(_line(line, the_account) for line in the_account.lines),
        notes=the_account.notes,
    )


def _line(line: Line, the_account: Account) -> AccountLine:
    return AccountLine(
        id=line.id,
        where=Where(service=line.service, place=line.place),
        kind=line.kind,
        before_ms=line.before_s * 1e3,
        now_ms=line.now_s * 1e3,
        excess_ms=line.excess_s * 1e3,
        interval_ms=interval_ms(line.excess_s, line.se_s),
        evidence=line.evidence,
        share=line.excess_s / the_account.excess_s if the_account.excess_s else 0.0,
    )


def _cause(one: Granted) -> Cause:
    finding = one.finding
    return Cause(
        check=one.check,
        title=finding.title,
        place=finding.place,
        excess_ms=one.ms,
        interval_ms=one.interval_ms,
        confidence=finding.confidence,
        because=finding.because,
        next_steps=finding.next_steps,
        fixes=finding.fixes,
        evidence=finding.evidence,
        lines=tuple(one.ms_by_line),
    )


def _percentiles(evidence: Evidence) -> Percentiles | None:
    requests = answered(evidence.requests)
    if requests is None or not requests.due_s:
        return None
    times = [seconds * 1e3 for seconds in requests.total_s]
    return Percentiles(
        n=len(times),
        mean_ms=sum(times) / len(times),
        p50_ms=percentile(times, 0.50),
        p90_ms=percentile(times, 0.90),
        p95_ms=percentile(times, 0.95),
        p99_ms=percentile(times, 0.99),
        max_ms=max(times),
    )


def _timeline(evidence: Evidence) -> tuple[TimePoint, ...]:
    if evidence.series:
        return tuple(
            TimePoint(at=_utc(point.at_s), ms=None if point.mean_s is None else point.mean_s * 1e3)
            for point in evidence.series.points
        )
    requests = answered(evidence.requests)
    if requests is None:
        return ()
    timed = zip(requests.due_s, requests.total_s, strict=True)
    return tuple(TimePoint(at=_utc(evidence.window.start_s + due), ms=total * 1e3) for due, total in timed)


def _flame(evidence: Evidence, the_account: Account | None) -> tuple[FlameStack, ...]:
    profile = evidence.profile
    if profile is None or the_account is None:
        return ()
    seconds: dict[tuple[tuple[str, ...], str], float] = defaultdict(float)
    for sample in samples_of_route(profile):
        frames = stack_of(profile, sample)
        kind = {"gil": "gil", "gc": "memory"}.get(sample.state) or KIND_OF_STACK[place_of(frames, sample.state).kind]
        names = tuple(f"{frame.function} ({frame.file}:{frame.line})" for frame in frames)
        seconds[names, kind] += sample.seconds
    total = sum(seconds.values())
    largest = sorted(seconds.items(), key=lambda item: (-item[1], item[0]))[:SHOWN_STACKS]
    scale = the_account.in_app.mean_s * 1e3 / total if total else 0.0
    return tuple(FlameStack(frames=names, kind=kind, ms=value * scale) for (names, kind), value in largest)


def _plans(evidence: Evidence) -> tuple[QueryPlan, ...]:
    if evidence.queries is None:
        return ()
    return tuple(
        QueryPlan(query=plan.text, plan=plan.plan, note=f"would help: {plan.index}" if plan.index else "")
        for plan in evidence.queries.plans
    )


def _utc(unix_s: float) -> str:
    return datetime.fromtimestamp(unix_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
