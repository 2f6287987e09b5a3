"""The report as Markdown, for a ticket or a chat."""

from __future__ import annotations

import re
from collections.abc import Iterator

from unslow.diagnosis import Diagnosis
from unslow.report.words import (
    SERVICES,
    by_service,
    explains_total,
    gaps,
    interval,
    ms,
    percent,
    plain,
    readable,
    sentence,
    signed,
    unexplained_share,
)

SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~@!])")


def render(diagnosis: Diagnosis) -> str:
    return "\n".join(_lines(diagnosis)) + "\n"


def _text(text: str) -> str:
    """Nothing in evidence becomes markup, a link or a mention."""
    return SPECIAL.sub(r"\\\1", plain(text)).replace("://", ":\u200b//")


def _code(name: str) -> str:
    """Between backticks, which nothing in it may end."""
    return plain(name).replace("`", "'")


def _lines(diagnosis: Diagnosis) -> Iterator[str]:
    yield f"# {_text(diagnosis.target.name)}: {diagnosis.verdict}"
    yield ""
    yield _text(diagnosis.headline)
    yield ""
    yield from _account(diagnosis)
    yield from _section(SERVICES, by_service(diagnosis.services))
    for number, cause in enumerate(diagnosis.causes, 1):
        yield f"## {number}. {_text(cause.title)}"
        yield ""
        yield f"`{cause.check}`, {ms(cause.excess_ms)} ({interval(cause.interval_ms)}), confidence {cause.confidence:.2f}."
        yield f"Because {_text(cause.because)}."
        yield ""
        yield from (f"- {_text(step)}" for step in cause.next_steps)
        yield ""
    yield from _section("Checked and clear", [(one.check, one.because) for one in diagnosis.clear])
    left_out = [(", ".join(gap.names), f"{gap.missing}. To enable: {gap.remedy}") for gap in gaps(diagnosis)]
    yield from _section("Could not be checked", left_out)
    yield from _section(
        "Evidence",
        [(e.id, f"{e.title}: {_value(e.value)} {e.unit} (n {e.n}); by hand: {e.command}") for e in diagnosis.evidence],
    )


def _value(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.4g}"


def _account(diagnosis: Diagnosis) -> Iterator[str]:
    account, total_only = diagnosis.account, explains_total(diagnosis)
    if not account.requests:
        return
    yield f"## The account: mean of {account.requests} requests"
    yield ""
    if total_only:
        yield _text(sentence(diagnosis.reference.note))
        yield ""
        yield "| line | now | share | 95 % interval |"
        yield "|---|--:|--:|--:|"
    else:
        yield "| line | before | now | excess | share | 95 % interval |"
        yield "|---|--:|--:|--:|--:|--:|"
    for line in readable(account.lines):
        times = (
            ms(line.now_ms) if total_only else f"{ms(line.before_ms)} | {ms(line.now_ms)} | {signed(line.excess_ms)}"
        )
        yield f"| {line.kind}: {_text(line.where.place)} | {times} | {percent(line.share)} | {interval(line.interval_ms)} |"
    left = ms(account.unexplained_ms) if total_only else f" | | {signed(account.unexplained_ms)}"
    yield f"| *unexplained* | {left} | {percent(unexplained_share(account))} | |"
    whole = (
        ms(account.now_ms)
        if total_only
        else f"{ms(account.before_ms)} | {ms(account.now_ms)} | {signed(account.excess_ms)}"
    )
    yield f"| **total** | {whole} | {percent(1.0)} | {interval(account.interval_ms)} |"
    yield ""
    yield from (f"Note: {_text(note)}" for note in account.notes)
    yield ""


def _section(title: str, rows: list[tuple[str, str]]) -> Iterator[str]:
    if rows:
        yield f"## {title}"
        yield ""
        yield from (f"- `{_code(name)}`: {_text(text)}" for name, text in rows)
        yield ""
