"""When latency rose: change points of a noisy series by ranks, so that outliers and units do not matter.

Seeded intervals (the whole, then ever shorter ones, overlapping) are each split where the ranks before
and after differ most (Mann-Whitney, ties corrected). Under "no change" the largest of these scores
depends on the number of points only, so its quantile is a table instead of a permutation at run time.
The narrowest significant interval gives a change point, both sides of it are searched again, and each
is moved to where the two levels fit best (least absolute deviation of logarithms). Changes that noise
which follows itself (lag-1 autocorrelation) would also make are dropped.
An onset is the last rise whose level exceeds what was usual at any time before and that does not come
and go: a season is none. Gaps (None) are left out, not counted as fast.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate, pairwise
from math import erf, exp, isfinite, log, sqrt
from statistics import median

import msgspec

from unslow.evidence.series import Series

MIN_POINTS = 12
MIN_SEGMENT = 3
"""Two high points in a row are an outlier, three a level."""
MAX_POINTS = 600
"""Longer series are first searched in blocks of points (their medians)."""
RISE_RATIO = 1.2
"""A level less than a fifth higher is not what anybody calls slow."""
STEP_RATIO = 1.1
"""Steps of a staircase may be smaller; the onset is its first."""
USUAL = 0.9
"""The new level must exceed nine tenths of everything before: a season that returns does not."""
SUPERIORITY = 0.75
"""A point after the onset must exceed one before it at least three times in four."""
STANDARD_ERRORS = 5.0
"""Levels that differ by less may be slow noise; the cuts were chosen as the largest of many, so not 2."""
LEAST_SPREAD = 0.01
"""One per cent: even a series without any noise is not known better."""
CRITICAL = ((12, 2.72), (25, 3.23), (50, 3.50), (100, 3.75), (200, 4.05), (400, 4.40), (600, 4.52))
"""(points, score): exceeded by 5 of 1,000 random permutations of that many points, by simulation."""


class ChangePoint(msgspec.Struct, frozen=True, kw_only=True):
    """A rise of the mean response time from one level to a higher one."""

    at_s: float
    """Unix seconds of the first point of the higher level."""
    before_s: float
    """Median of the level before."""
    after_s: float
    """Median from the onset to the end of the higher level."""
    confidence: float
    """0.5..1: how surely the rise would exceed `STANDARD_ERRORS` again."""
    until_s: float | None = None
    """First point back at the level before; None: it lasts until the end."""

    @property
    def ratio(self) -> float:
        """Effect size: the level after over the level before."""
        return self.after_s / self.before_s

    @property
    def rose(self) -> bool:
        return self.after_s > self.before_s


def change_point(series: Series) -> ChangePoint | None:
    """The onset of the latest rise in `series`; None when it shows none."""
    known = [
        (point.at_s, point.mean_s)
        for point in series.points
        if point.mean_s is not None and isfinite(point.mean_s) and point.mean_s > 0
    ]
    if len(known) < MIN_POINTS:
        return None
    times = [at for at, _ in known]
    logs = [log(value) for _, value in known]
    return _onset(times, logs, _cuts(logs))


def _onset(times: Sequence[float], logs: Sequence[float], cuts: Sequence[int]) -> ChangePoint | None:
    edges = [0, *cuts, len(logs)]
    levels = [median(logs[low:high]) for low, high in pairwise(edges)]
    for last in range(len(cuts), 0, -1):
        if levels[last] - levels[last - 1] < log(STEP_RATIO):
            continue
        first = _foot(levels, last)
        base = levels[first - 1]
        middle = (base + levels[last]) / 2
        end = next((at for at in range(last + 1, len(levels)) if levels[at] < middle), None)
        if end is not None and max(levels[end:]) >= middle:
            continue  # it came back later, so it is a season (or a fault that comes and goes)
        onset, over = edges[first], edges[end] if end is not None else len(logs)
        before, after = sorted(logs[edges[first - 1] : onset]), logs[onset:over]
        risen = median(after)
        usual = sorted(logs[:onset])[int(USUAL * onset)]
        if (
            risen - base < log(RISE_RATIO)
            or risen - usual < log(STEP_RATIO)
            or _superiority(before, after) < SUPERIORITY
        ):
            continue
        sure = _standard_errors(logs[edges[first - 1] : onset], after, _correlation(logs))
        return ChangePoint(
            at_s=times[onset],
            before_s=exp(base),
            after_s=exp(risen),
            confidence=0.5 * (1 + erf(max(0.0, sure - STANDARD_ERRORS) / sqrt(2))),
            until_s=times[over] if end is not None else None,
        )
    return None


def _foot(levels: Sequence[float], last: int) -> int:
    """The first step, of at least half the size of the largest, of the staircase with its top at `last`."""
    steps = {last: levels[last] - levels[last - 1]}
    first = last
    while first > 1 and levels[first - 1] - levels[first - 2] >= log(STEP_RATIO):
        first -= 1
        steps[first] = levels[first] - levels[first - 1]
    largest = max(steps.values())
    return min(at for at, step in steps.items() if step >= largest / 2)


def _superiority(before: Sequence[float], after: Sequence[float]) -> float:
    """Share of pairs in which the later point is the higher; `before` is sorted."""
    won = sum(bisect_left(before, value) + bisect_right(before, value) for value in after)
    return won / 2 / (len(before) * len(after))


class _Split(msgspec.Struct, frozen=True):
    low: int
    high: int
    at: int
    score: float


def _cuts(logs: Sequence[float]) -> list[int]:
    """Positions of the first point after each change, in order."""
    size = -(-len(logs) // MAX_POINTS)
    blocks = [median(logs[at : at + size]) for at in range(0, len(logs), size)] if size > 1 else logs
    critical = _critical(len(blocks))
    found: list[int] = []
    waiting = [(0, len(blocks))]
    while waiting:
        low, high = waiting.pop()
        splits = [_split(blocks, low + start, low + end) for start, end in seeded(high - low)]
        # Narrowest first: a narrow interval holds one change only, so its place is not drawn to another.
        narrow = min(
            (one for one in splits if one.score > critical),
            key=lambda one: (one.high - one.low, -one.score, one.low),
            default=None,
        )
        if narrow is not None:
            found.append(narrow.at)
            waiting += [(low, narrow.at), (narrow.at, high)]
    return _certain(logs, _fitted(logs, sorted(at * size for at in found)))


def seeded(count: int) -> list[tuple[int, int]]:
    """Half-open intervals: the whole, then ever shorter ones that overlap by three quarters."""
    intervals: list[tuple[int, int]] = []
    length = count
    while length >= MIN_POINTS:
        stride = max(1, length // 4)
        intervals += [(low, low + length) for low in range(0, count - length, stride)]
        intervals.append((count - length, count))
        length = length * 2 // 3
    return intervals


def _split(values: Sequence[float], low: int, high: int) -> _Split:
    """Where the ranks of the values before and after differ most, in standard deviations."""
    part = values[low:high]
    count = len(part)
    ordered = sorted(part)
    ranks = [bisect_left(ordered, value) + bisect_right(ordered, value) - count for value in part]
    # Twice the rank about its mean, so sums are whole numbers; ties lower the variance by themselves.
    spread = sum(rank * rank for rank in ranks)
    if spread == 0:
        return _Split(low, high, low, 0.0)
    sums = list(accumulate(ranks))
    best, at = 0.0, low
    for left in range(MIN_SEGMENT, count - MIN_SEGMENT + 1):
        score = sums[left - 1] ** 2 / (left * (count - left))
        if score > best:
            best, at = score, low + left
    return _Split(low, high, at, sqrt(best * count * (count - 1) / spread))


def _certain(logs: Sequence[float], cuts: list[int]) -> list[int]:
    """The cuts that noise which follows itself does not explain; the weakest goes first."""
    correlation = _correlation(logs)
    while cuts:
        edges = [0, *cuts, len(logs)]
        sure = [
            _standard_errors(logs[low:cut], logs[cut:high], correlation)
            for low, cut, high in zip(edges, edges[1:], edges[2:], strict=False)
        ]
        weakest = min(range(len(cuts)), key=lambda at: abs(sure[at]))
        if abs(sure[weakest]) >= STANDARD_ERRORS:
            break
        cuts = _fitted(logs, cuts[:weakest] + cuts[weakest + 1 :])
    return cuts


def _standard_errors(before: Sequence[float], after: Sequence[float], correlation: float) -> float:
    """By how many standard errors the median rose; an AR(1) has larger ones, squared by (1 + r) / (1 - r)."""
    rise = median(after) - median(before)
    middle_before, middle_after = median(before), median(after)
    spread = 1.4826 * median(
        [abs(value - middle_before) for value in before] + [abs(value - middle_after) for value in after]
    )
    inflated = spread**2 * (1 + correlation) / (1 - correlation) + LEAST_SPREAD**2
    return rise / sqrt(inflated * (1 / len(before) + 1 / len(after)))


def _correlation(values: Sequence[float]) -> float:
    """Lag-1 autocorrelation from differences over one and two points, which steps hardly touch.

    For an AR(1) their mean squares are as 1 : 1 + r. The largest differences (steps, outliers) are left out.
    """
    one = _typical_square([after - before for before, after in pairwise(values)])
    two = _typical_square([after - before for before, after in zip(values, values[2:], strict=False)])
    return min(0.9, max(0.0, two / one - 1)) if one else 0.0


def _typical_square(differences: Sequence[float]) -> float:
    squares = sorted(difference * difference for difference in differences)
    kept = squares[: max(1, len(squares) * 9 // 10)]
    return sum(kept) / len(kept)


def _fitted(logs: Sequence[float], cuts: Sequence[int]) -> list[int]:
    """Each cut moved between its neighbours to where the two levels beside it fit best."""
    edges = [0, *cuts, len(logs)]
    fitted: list[int] = []
    for before, cut, after in zip(edges, edges[1:], edges[2:], strict=False):
        low = fitted[-1] if fitted else before
        left, right = median(logs[before:cut]), median(logs[cut:after])
        gain = list(accumulate((abs(x - left) - abs(x - right) for x in logs[low:after]), initial=0.0))
        places = range(min(MIN_SEGMENT, cut - low), max(after - low - MIN_SEGMENT, cut - low) + 1)
        fitted.append(low + min(places, key=lambda place: (gain[place], abs(low + place - cut))))
    return fitted


def _critical(count: int) -> float:
    """By interpolation over the logarithm of the number of points."""
    for (few, low), (many, high) in pairwise(CRITICAL):
        if count <= many:
            return low + (high - low) * max(0.0, log(count / few) / log(many / few))
    return CRITICAL[-1][1]
