"""When latency rose."""

from __future__ import annotations

from unslow.evidence.series import Series
from unslow.measure.change_point import change_point


def onset_s(series: Series) -> float | None:
    """Unix seconds of the first point of the higher level; None when the series shows no rise."""
    change = change_point(series)
    return change.at_s if change else None
