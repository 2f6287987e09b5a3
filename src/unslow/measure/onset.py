"""When latency rose."""

from __future__ import annotations

from statistics import median

from unslow.evidence.series import Series
from unslow.measure.change_point import MIN_POINTS, MIN_SEGMENT, RISE_RATIO, change_point


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


def is_low(series: Series) -> bool:
    """Whether its latest points are about as low as its lower ones: then it is not slow now, whatever it was."""
    known = [point.mean_s for point in series.points if point.mean_s is not None]
    return len(known) >= MIN_POINTS and median(known[-MIN_SEGMENT:]) < RISE_RATIO * sorted(known)[len(known) // 4]


def lasting(seconds: float) -> str:
    """In words, as "3 h" or "40 min"."""
    return f"{seconds / 3600:.0f} h" if seconds >= 2 * 3600 else f"{seconds / 60:.0f} min"
