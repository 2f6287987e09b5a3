"""The shape of a statement found in a log: its words without its literals."""

from __future__ import annotations

import re

STRING = re.compile(r"'(?:[^']|'')*'?")
NUMBER = re.compile(r"\$\d+|\b\d+(?:\.\d+)?\b")
LIST = re.compile(r"\(\s*\?(?:\s*,\s*\?)+\s*\)")
LONGEST = 4000


def shape(text: str) -> str:
    """`SELECT * FROM t WHERE a = 'x' AND b IN (1, 2)` -> `SELECT * FROM t WHERE a = ? AND b IN (?)`."""
    text = STRING.sub("?", text[:LONGEST])
    text = NUMBER.sub("?", text)
    return LIST.sub("(?)", " ".join(text.split())).rstrip('"}; ')
