"""One sentence: what is slow, since when, by how much, why, what to do."""

from __future__ import annotations

from unslow.diagnosis import Cause, Reference
from unslow.evidence import Evidence
from unslow.evidence.window import Target
from unslow.measure.account import Account
from unslow.measure.answers import Failures, failures


def headline(
    evidence: Evidence,
    account: Account | None,
    causes: tuple[Cause, ...],
    verdict: str,
    reference: Reference,
    onset: str | None,
) -> str:
    name = evidence.target.name + _guessed(evidence.target)
    failed = failures(evidence.requests)
    if failed and failed.are_most:
        if not any(cause.excess_ms > 0 for cause in causes):
            sure = _likeliest(causes)
            return f"{name}: {_failing(failed, account)}{f' Likely: {sure.title}.' if sure else ''}"
        name = f"{name} ({failed.words})"  # an error after a long wait has the cause of the wait
    if account is None:
        if sure := _likeliest(causes):
            return f"{name}: no response time could be measured. Likely: {sure.title}."
        return f"{name}: no response time could be measured, so nothing can be said."
    now_ms = account.now.mean_s * 1e3
    if verdict == "healthy":
        stands_out = f", but {sure.title}." if (sure := _likeliest(causes)) else ", and nothing stands out."
        return f"{name} is healthy: {now_ms:.0f} ms on average{_against(account, reference)}{stands_out}"
    if verdict == "unknown":
        dark_ms = account.unexplained_s * 1e3
        likely = f" Likely: {sure.title}." if (sure := _likeliest(causes)) else ""
        return f"{name} takes {now_ms:.0f} ms on average, and {dark_ms:.0f} ms of it could not be looked into.{likely}"
    return f"{name} takes {now_ms:.0f} ms on average{_against(account, reference)}{_since(onset)}{_why(causes)}"


def _guessed(target: Target) -> str:
    """A path that nobody asked for may be the quickest of all."""
    if target.path_by == "probe":
        return f" on {target.path} (its health probe's page: give --path for the slow route)"
    if target.path_by == "nobody":
        return f" on {target.path} (nobody named a route: give --path for the slow one)"
    return f" on {target.path}" if target.path_by == "timer" else ""


def _failing(failed: Failures, account: Account | None) -> str:
    if account is None:
        return f"{failed.words}, so no response time could be measured."
    return f"{failed.words}: their {account.now.mean_s * 1e3:.0f} ms on average tell nothing of a working service."


def _against(account: Account, reference: Reference) -> str:
    if account.before is None:
        return ""
    word = "its baseline" if reference.kind == "baseline" else "before"
    excess_ms = account.excess_s * 1e3
    side = "more" if excess_ms >= 0 else "less"
    return f", {abs(excess_ms):.0f} ms {side} than {word}"


def _since(onset: str | None) -> str:
    return f", since {readable(onset)}" if onset else ""


def readable(at: str) -> str:
    """A time of the document as people write it."""
    return f"{at[:19].replace('T', ' ')} UTC"


SURE_ENOUGH = 0.6
"""A cause without milliseconds must be at least this sure to stand in the sentence."""


def _likeliest(causes: tuple[Cause, ...]) -> Cause | None:
    return next((cause for cause in causes if cause.confidence >= SURE_ENOUGH), None)


def _why(causes: tuple[Cause, ...]) -> str:
    with_ms = [cause for cause in causes if cause.excess_ms > 0]
    if not with_ms:
        likeliest = _likeliest(causes)
        if likeliest is None:
            return "; no check explains why."
        return f"; likely, but without measured milliseconds: {likeliest.title}."
    if causes[0].excess_ms <= 0:
        also = f"; {with_ms[0].title} ({with_ms[0].excess_ms:.0f} ms)"
        return f"; likely, but without measured milliseconds: {causes[0].title}{also}."
    first = with_ms[0]
    step = f" Next: {first.next_steps[0]}." if first.next_steps else ""
    second = f"; then {with_ms[1].title} ({with_ms[1].excess_ms:.0f} ms)" if len(with_ms) > 1 else ""
    return f": {first.title} ({first.excess_ms:.0f} ms){second}.{step}"
