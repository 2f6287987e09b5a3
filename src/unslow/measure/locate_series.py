"""Series ranked by how far they leave their usual range, where nobody knows who calls whom.

The score is the robust one of the BARO paper: the largest value after the alert, less the median before it, over
the distance of the quartiles. It orders symptoms, not causes: a caller often stands before the cause.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BLOCK = 2_000_000
"""Values looked at together: what the processor's cache holds is several times faster."""

Table = NDArray[np.float64]


def scores(usual: Table, after: Table) -> NDArray[np.float64]:
    """One score per row, -inf where either part is constant or holds no number; rows are series, columns time steps.

    NaN is a value that was not measured.
    """
    if usual.shape[0] != after.shape[0]:
        raise ValueError(f"{usual.shape[0]} series before and {after.shape[0]} after")
    found = np.full(usual.shape[0], -np.inf)
    rows = max(1, BLOCK // max(1, usual.shape[1] + after.shape[1]))
    for begin in range(0, usual.shape[0], rows):
        part = slice(begin, begin + rows)
        found[part] = _scores(usual[part], after[part])
    return found


def order(found: NDArray[np.float64]) -> list[int]:
    """Rows with a score, highest first; ties in the order of the rows."""
    return [int(at) for at in np.argsort(-found, kind="stable") if np.isfinite(found[at])]


def _scores(usual: Table, after: Table) -> NDArray[np.float64]:
    if not usual.shape[1] or not after.shape[1]:
        return np.full(usual.shape[0], -np.inf)
    # The sum is NaN exactly when some value is.
    found = _whole(usual, after)
    gaps = np.isnan(usual.sum(axis=1) + after.sum(axis=1))
    for at in np.flatnonzero(gaps):
        before, later = usual[at][~np.isnan(usual[at])], after[at][~np.isnan(after[at])]
        found[at] = _whole(before[None], later[None])[0] if before.size and later.size else -np.inf
    return found


def _whole(usual: Table, after: Table) -> NDArray[np.float64]:
    """Without gaps. Quartiles between two values are interpolated."""
    length = usual.shape[1]
    # Sorting short rows is faster than finding three places in them.
    ordered = np.sort(usual, axis=1)
    low, middle, high = (_between(ordered, share * (length - 1)) for share in (0.25, 0.5, 0.75))
    spread = high - low
    # What hardly ever moves would be divided by nothing.
    spread[spread < 10 * np.finfo(np.float64).eps] = 1.0
    highest = after.max(axis=1)
    score: NDArray[np.float64] = (highest - middle) / spread
    score[(ordered[:, 0] == ordered[:, -1]) | (highest == after.min(axis=1))] = -np.inf
    return score


def _between(ordered: Table, place: float) -> NDArray[np.float64]:
    at = int(place)
    above = min(at + 1, ordered.shape[1] - 1)
    found: NDArray[np.float64] = ordered[:, at] + (place - at) * (ordered[:, above] - ordered[:, at])
    return found
