"""When latency rose."""

from __future__ import annotations

from unslow.evidence.series import Series
from unslow.measure.change_point import MIN_POINTS, change_point


def onset_s(series: Series) -> float | None:
    """Unix seconds of the first point of the higher level; None when the series shows no rise that lasts to its end."""
    change = change_point(series)
    return change.at_s if change and change.until_s is None else None


def over_s(series: Series) -> float | None:
    """Unix seconds of the first point after its latest rise; None when there was none, or it lasts."""
    change = change_point(series)
    return change.until_s if change else None


def known_s(series: Series) -> float | None:
    """Seconds from the first to the last point that says something; None when a rise could not show yet."""
    known = [point.at_s for point in series.points if point.mean_s is not None]
    return known[-1] - known[0] if len(known) >= MIN_POINTS else None


def lasting(seconds: float) -> str:
    """In words, as "3 h" or "40 min"."""
    return f"{seconds / 3600:.0f} h" if seconds >= 2 * 3600 else f"{seconds / 60:.0f} min"
