"""The Prometheus text format and OpenMetrics: a page of text -> its samples, types and units."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import isfinite

Labels = tuple[tuple[str, str], ...]
"""(name, value), sorted by name."""
Samples = dict[tuple[str, Labels], float]

# Possessive (`*+`): a line with a missing quote is given up at once, not after trying every split.
_QUOTED = r'"(?:[^"\\]|\\.)*+"'
_SAMPLE = re.compile(rf'([A-Za-z_:][\w:.]*+)?\s*+(?:\{{((?:[^"}}]|{_QUOTED})*+)\}})?\s*+(\S++)', re.ASCII)
_LABEL = re.compile(rf"([A-Za-z_][\w.]*+|{_QUOTED})\s*+=\s*+({_QUOTED})\s*+(?:,\s*+|$)", re.ASCII)
_QUOTED_NAME = re.compile(rf"\s*+({_QUOTED})\s*+(?:,\s*+|$)", re.ASCII)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_NUMBER = re.compile(r"[-+]?(?:\d++\.?\d*+|\.\d++)(?:[eE][-+]?\d++)?", re.ASCII)


@dataclass
class Page:
    """What one page says. Values that are not finite, and lines that are not in the format, are left out."""

    samples: Samples = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    helps: dict[str, str] = field(default_factory=dict)


def parse(text: str, only: Sequence[str] = ()) -> Page:
    """Read a page; with `only`, just the samples of metrics whose names begin so: pages can be large."""
    page = Page()
    wanted = tuple(only)
    for line in text.split("\n"):
        if line.startswith("#"):
            if not wanted:
                _note(line, page)
        elif not wanted or line.startswith(wanted) or line.startswith('{"'):
            sample = _sample(line)
            if sample is not None:
                name, labels, value = sample
                page.samples[name, labels] = value
    return page


def _note(line: str, page: Page) -> None:
    words = line.split(None, 3)
    if len(words) < 4:
        return
    kept = {"TYPE": page.types, "UNIT": page.units, "HELP": page.helps}.get(words[1])
    if kept is not None:
        kept[words[2].strip('"')] = words[3].strip()


def _sample(line: str) -> tuple[str, Labels, float] | None:
    match = _SAMPLE.match(line.strip())
    if match is None or not _NUMBER.fullmatch(match[3]):
        return None
    value = float(match[3])
    name, inside = match[1], (match[2] or "").strip()
    if name is None:  # the newer form for names with other characters: {"my.metric", label="value"} 1
        quoted = _QUOTED_NAME.match(inside)
        if quoted is None:
            return None
        name, inside = _unquoted(quoted[1]), inside[quoted.end() :]
    labels = _labels(inside)
    return (name, labels, value) if labels is not None and isfinite(value) else None


def _labels(inside: str) -> Labels | None:
    """None when something between the braces is no label."""
    labels, at = [], 0
    while at < len(inside):
        match = _LABEL.match(inside, at)
        if match is None:
            return None
        name = _unquoted(match[1]) if match[1].startswith('"') else match[1]
        labels.append((name, _unquoted(match[2])))
        at = match.end()
    return tuple(sorted(labels))


def _unquoted(quoted: str) -> str:
    return _ESCAPE.sub(lambda escape: "\n" if escape[1] == "n" else escape[1], quoted[1:-1])
