"""The report on a terminal."""

from __future__ import annotations

import shutil
from io import StringIO

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from unslow.diagnosis import Cause, Diagnosis
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

NARROWEST, WIDEST = 60, 140
BAR = 12
VERDICT_STYLE = {"slow": "bold red", "healthy": "bold green", "unknown": "bold yellow"}


def render(diagnosis: Diagnosis, *, width: int | None = None, colour: bool = False) -> str:
    """Text of at most `width` columns (the terminal's, else 100); ANSI colours only when asked for."""
    columns = width or shutil.get_terminal_size((100, 24)).columns
    out = StringIO()
    console = Console(
        file=out,
        width=max(NARROWEST, min(WIDEST, columns)),
        force_terminal=colour,
        color_system="standard" if colour else None,
        no_color=not colour,
        highlight=False,
        markup=False,
        emoji=False,
    )
    console.print(Text(plain(diagnosis.headline), style=VERDICT_STYLE[diagnosis.verdict]))
    console.print()
    _account(console, diagnosis)
    _listed(console, SERVICES, by_service(diagnosis.services))
    _causes(console, diagnosis)
    _listed(console, "Checked and clear", [(one.check, one.because) for one in diagnosis.clear])
    _gaps(console, diagnosis)
    if diagnosis.redacted:
        console.print(f"{diagnosis.redacted} secrets were removed from the evidence.")
    return out.getvalue()


def _account(console: Console, diagnosis: Diagnosis) -> None:
    account, total_only = diagnosis.account, explains_total(diagnosis)
    if not account.requests:
        return
    console.print(Text("The account", style="bold"), f"mean of {account.requests} requests")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), show_edge=False)
    table.add_column("line", ratio=1, overflow="fold", min_width=24)
    if not total_only:
        table.add_column("before", justify="right", no_wrap=True)
    table.add_column("now", justify="right", no_wrap=True)
    if not total_only:
        table.add_column("excess", justify="right", no_wrap=True)
    table.add_column("share", justify="right", no_wrap=True)
    table.add_column("95 % interval", justify="right", no_wrap=True)
    for line in readable(account.lines):
        times = [ms(line.now_ms)] if total_only else [ms(line.before_ms), ms(line.now_ms), signed(line.excess_ms)]
        table.add_row(
            Text(f"{line.kind}: {plain(line.where.place)}"), *times, percent(line.share), interval(line.interval_ms)
        )
    blank = [] if total_only else ["", ""]
    left = ms(account.unexplained_ms) if total_only else signed(account.unexplained_ms)
    table.add_row(Text("unexplained", style="italic"), *blank, left, percent(unexplained_share(account)), "")
    table.add_section()
    whole = (
        [ms(account.now_ms)] if total_only else [ms(account.before_ms), ms(account.now_ms), signed(account.excess_ms)]
    )
    table.add_row(Text("total", style="bold"), *whole, percent(1.0), interval(account.interval_ms))
    console.print(table)
    if total_only:
        console.print(plain(sentence(diagnosis.reference.note)))
    for note in account.notes:
        console.print(f"Note: {plain(note)}")
    console.print()


def _causes(console: Console, diagnosis: Diagnosis) -> None:
    if not diagnosis.causes:
        return
    console.print(Text("Causes, worst first", style="bold"))
    for number, cause in enumerate(diagnosis.causes, 1):
        console.print(
            Text(f"{number}. {plain(cause.title)}", style="bold"),
            f"[{cause.check}] {_size(cause, diagnosis)}",
        )
        body = [f"because {plain(cause.because)}", *(f"next: {plain(step)}" for step in cause.next_steps)]
        console.print(Padding("\n".join(body), (0, 0, 1, 3)))


def _size(cause: Cause, diagnosis: Diagnosis) -> str:
    if cause.excess_ms <= 0:
        return f"(no milliseconds of its own, confidence {cause.confidence:.2f})"
    share = cause.excess_ms / diagnosis.account.excess_ms if diagnosis.account.excess_ms > 0 else 0.0
    bar = "█" * max(1, min(BAR, round(share * BAR)))
    return f"{bar} {ms(cause.excess_ms)} ({interval(cause.interval_ms)}), confidence {cause.confidence:.2f}"


def _gaps(console: Console, diagnosis: Diagnosis) -> None:
    found = gaps(diagnosis)
    if not found:
        return
    console.print(Text("Could not be checked", style="bold"))
    for gap in found:
        console.print(f"missing: {plain(gap.missing)}")
        rest = f"to enable: {plain(gap.remedy)}"
        console.print(Padding(rest, (0, 0, 0, 3)))
        console.print(Padding(Text(f"left out: {plain(', '.join(gap.names))}", style="dim"), (0, 0, 0, 3)))
    console.print()


def _listed(console: Console, title: str, rows: list[tuple[str, str]]) -> None:
    if not rows:
        return
    console.print(Text(title, style="bold"))
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1))
    table.add_column(no_wrap=True, style="dim")
    table.add_column(ratio=1, overflow="fold")
    for name, text in rows:
        table.add_row(plain(name), Text(plain(text)))
    console.print(table)
    console.print()
