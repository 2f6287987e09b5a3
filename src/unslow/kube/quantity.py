"""Kubernetes' quantities, as in `250m`, `1.5Gi`, `496368n` or `2e3`, as plain numbers."""

from __future__ import annotations

_FACTORS = {
    "": 1.0,
    "k": 1e3,
    "M": 1e6,
    "G": 1e9,
    "T": 1e12,
    "P": 1e15,
    "E": 1e18,
    "Ki": 2.0**10,
    "Mi": 2.0**20,
    "Gi": 2.0**30,
    "Ti": 2.0**40,
    "Pi": 2.0**50,
    "Ei": 2.0**60,
}
_PARTS = {"n": 1e9, "u": 1e6, "m": 1e3}
"""Divided by, so that 3800m is 3.8 and not the next number above."""


def quantity(text: str | int | float | None) -> float | None:
    """Cores, bytes or a count; None when nothing is given or it is no quantity."""
    if text is None or isinstance(text, int | float):
        return text
    text = text.strip()
    try:
        return float(text)  # also `2e3`
    except ValueError:
        pass
    number = text.rstrip("KMGTPEikmun")
    suffix = text[len(number) :]
    try:
        if suffix in _PARTS:
            return float(number) / _PARTS[suffix]
        return float(number) * _FACTORS[suffix]
    except (ValueError, KeyError):
        return None


def whole(text: str | int | float | None) -> int | None:
    """The same as a whole number: bytes, pods."""
    value = quantity(text)
    return None if value is None else round(value)
