"""Rules played on history: when each would have fired, and whether that was right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from unslow.collect.prometheus_api import Api


class Firing(msgspec.Struct, frozen=True, kw_only=True):
    """From the moment `for` had passed until the expression was no longer true; Unix seconds."""

    labels: dict[str, str]
    start_s: float
    end_s: float


def firings(api: Api, expression: str, for_s: float, start_s: float, end_s: float, step_s: float) -> tuple[Firing, ...]:
    """When an alert would have fired, evaluated each `step_s`. Unavailable when the store gives no answer."""
    found: list[Firing] = []
    for one in api.range(expression, start_s, end_s, step_s):
        labels = {name: value for name, value in one.metric.items() if name != "__name__"}
        found += _held(labels, [at for at, _ in one.values], for_s, step_s)
    return tuple(sorted(found, key=lambda firing: (firing.start_s, sorted(firing.labels.items()))))


def _held(labels: Mapping[str, str], times: Sequence[float], for_s: float, step_s: float) -> list[Firing]:
    found: list[Firing] = []
    first = last = None
    for at in (*times, float("inf")):
        if first is not None and last is not None and at - last > 1.5 * step_s:
            if last - first >= for_s:
                found.append(Firing(labels=dict(labels), start_s=first + for_s, end_s=last))
            first = None
        first = at if first is None else first
        last = at
    return found


def verdict(found: Sequence[Firing], onset_s: float | None, end_s: float, late_s: float = 480.0) -> str:
    """`right`, `false`, `missed` or `late`, with minutes; `onset_s` None where nothing was wrong.

    A firing before the onset or, where nothing was wrong, any firing is false.
    """
    if onset_s is None:
        return "right: silent" if not found else f"FALSE, {_minutes(sum(f.end_s - f.start_s for f in found))}"
    if any(one.start_s < onset_s for one in found):
        return "FALSE before the onset"
    inside = [one.start_s - onset_s for one in found if one.start_s <= end_s]
    if not inside:
        return "MISSED"
    return f"{'LATE' if min(inside) > late_s else 'right'}: after {_minutes(min(inside))}"


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.1f} min"
