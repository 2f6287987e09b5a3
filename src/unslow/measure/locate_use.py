"""Who uses what it never used: a resource (processor time, say) of each node against its own fault-free times.

Among many nodes and minutes one beats its own record by chance; how far a record must be beaten follows from how
many records are expected and from the heaviest tail that still has a variance (one in the square of the excess).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import median

from unslow.measure.locate_verdict import UNUSUAL

Use = Mapping[str, Sequence[float]]


def outlying(incident: Use, normal: Use) -> dict[str, float]:
    """Node -> its largest rise over the largest rise of normal times, those beyond chance only, greatest first."""
    rises: dict[str, float] = {}
    expected = 0.0
    for name, values in incident.items():
        usual = normal.get(name, ())
        middle = median(usual) if usual else 0.0
        record = max(usual, default=0.0) - middle
        if values and record > 0:
            rises[name] = (max(values) - middle) / record
            expected += len(values) / len(usual)
    least = max(1.0, math.sqrt(expected / UNUSUAL))
    return {name: rises[name] for name in sorted(rises, key=lambda name: (-rises[name], name)) if rises[name] > least}
