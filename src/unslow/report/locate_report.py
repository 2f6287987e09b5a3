"""A ranking of nodes as text and as JSON."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from unslow.measure.locate import Ranking, Suspect
from unslow.measure.locate_spans import ServiceExcess
from unslow.report.words import plain


class SeriesScore(msgspec.Struct, frozen=True, kw_only=True):
    node: str
    metric: str
    statistic: str
    score: float


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What `--json` prints."""

    fault: bool
    """False: nothing unusual is to be seen here."""
    metric: str
    chance: float | None
    """How often fault-free times look like this, 0..1; null: there were none to compare with."""
    excess: float
    """Of the target per request: seconds, or the share of failures."""
    nodes: tuple[Suspect, ...]
    """From metrics, most to blame first."""
    services: tuple[ServiceExcess, ...]
    """From traces, most seconds first."""
    between: bool = False
    """The first node waits for a callee whose own series do not show it: which of the two it is cannot be told."""
    series: tuple[SeriesScore, ...] = ()
    """Without a graph: what left its usual range most, in spreads of it. Symptoms, not causes."""


def answer(
    ranking: Ranking | None, services: Sequence[ServiceExcess], metric: str, series: Sequence[SeriesScore] = ()
) -> Answer:
    slower = any(one.excess_s > 0 for one in services)
    return Answer(
        fault=ranking.fault if ranking else slower or bool(series),
        metric=metric,
        chance=ranking.chance if ranking else None,
        excess=ranking.excess if ranking else 0.0,
        nodes=ranking.suspects if ranking else (),
        services=tuple(services),
        between=ranking is not None and ranking.between,
        series=tuple(series),
    )


def to_json(found: Answer) -> str:
    return msgspec.json.format(msgspec.json.encode(found), indent=2).decode() + "\n"


def render(found: Answer, top: int) -> str:
    """The verdict in one line, then a table of each source."""
    lines = [_verdict(found)]
    if found.nodes:
        lines += ["", f"{'node':50} {'by itself':>12} {'sure':>6}  why"]
        lines += [
            f"{plain(one.node)[:50]:50} {_amount(one.own, found.metric):>12} {one.confidence:6.0%}  {one.reason}"
            for one in found.nodes[:top]
            if one.own > 0
        ]
    if found.services:
        lines += ["", f"{'service (traces)':50} {'seconds more':>12}  {'own':>9} {'network':>9} {'sure':>6}"]
        lines += [
            f"{plain(one.service)[:50]:50} {one.excess_s:12.3f}  {one.own_s:9.3f} {one.network_s:9.3f} {one.confidence:6.0%}"
            for one in found.services[:top]
        ]
    if found.series:
        lines += ["", f"{'node':50} {'metric':>24} {'spreads':>10}"]
        lines += [
            f"{plain(one.node)[:50]:50} {plain(f'{one.metric} {one.statistic}')[:24]:>24} {one.score:10.1f}"
            for one in found.series[:top]
        ]
    return "\n".join(lines) + "\n"


def _verdict(found: Answer) -> str:
    if found.series:
        return "Nobody said who calls whom: these left their usual range most. They are symptoms; a caller may stand first."
    if not found.nodes:
        return "Services by the seconds that their spans took beyond their usual." if found.fault else "No fault here."
    if not found.fault:
        seen = "" if found.chance is None else f": {found.chance:.0%} of fault-free windows look like this"
        return f"No fault here{seen}."
    compared = (
        "without fault-free times to compare with nobody can say how unusual that is"
        if found.chance is None
        else f"{found.chance:.1%} of fault-free windows look like this"
    )
    unseen = (
        f" {plain(found.nodes[0].node)} waits for a callee whose own series do not show it: which of the two it is"
        " cannot be told from this."
        if found.between
        else ""
    )
    return f"The target has {_amount(found.excess, found.metric)} more per request; {compared}.{unseen}"


def _amount(value: float, metric: str) -> str:
    return f"{value * 1e3:.1f} ms" if metric == "latency" else f"{value:.2%}"
