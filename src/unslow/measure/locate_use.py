"""Who uses what it never used: a resource (processor time, say) of each node against its own fault-free times.

Among many nodes and minutes one beats its own record by chance; how far a record must be beaten follows from how
many records are expected and from the heaviest tail that still has a variance (one in the square of the excess).
"""

from __future__ import annotations

import math
from collections.abc import Container, Mapping, Sequence
from statistics import median

from unslow.measure.locate_verdict import UNUSUAL, badness

Use = Mapping[str, Sequence[float]]

LEAST = 0.01
"""No ranking rules out a node altogether."""


def outlying(incident: Use, normal: Use) -> dict[str, float]:
    """Node -> its rise over the largest rise of normal times, those beyond chance only, greatest first.

    A rise is that of the two worst steps of a window together; both hold the values of equal steps in order.
    """
    rises: dict[str, float] = {}
    expected = 0.0
    for name, values in incident.items():
        usual = normal.get(name, ())
        windows = [usual[at : at + len(values)] for at in range(len(usual) - len(values) + 1)]
        middle = median(usual) if usual else 0.0
        record = max((badness(window, middle) for window in windows), default=0.0)
        if values and record > 0:
            rises[name] = badness(values, middle) / record
            expected += len(values) / len(usual)
    least = max(1.0, math.sqrt(expected / UNUSUAL))
    return {name: rises[name] for name in sorted(rises, key=lambda name: (-rises[name], name)) if rises[name] > least}


def with_use(sure: Mapping[str, float], used: Container[str]) -> list[str]:
    """Nodes by how likely they are the cause, from a ranking's confidences and who uses what it never used.

    Fault-free times show such use once in twenty, so it makes a node twenty times as likely. Ties keep their order.
    """
    likely = {name: max(LEAST, value) / (UNUSUAL if name in used else 1.0) for name, value in sure.items()}
    return sorted(likely, key=lambda name: -likely[name])
