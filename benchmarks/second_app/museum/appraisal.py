"""What the exhibits of a room are worth."""

from __future__ import annotations


def appraise(values: list[int], *, careful: bool) -> float:
    rounds = 700 if careful else 1
    total = 0.0
    for _ in range(rounds):
        for value in values:
            total += _discounted(value)
    return total / rounds


def _discounted(value: int) -> float:
    worth = float(value)
    for year in range(60):
        worth *= 1.0 - 0.001 * (year % 3)
    return worth
