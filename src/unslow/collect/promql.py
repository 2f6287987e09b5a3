"""PromQL text, built so that no value can change the shape of a query."""

from __future__ import annotations

import re
from collections.abc import Mapping

from unslow.errors import BadInput

_METRIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t", "\ufffd": "\\U0000fffd"}
PROBES = "/metrics|/(api/)?(health|healthz|ready|readyz|live|livez|ping|status)(/.*)?|/static/.*|/favicon.ico"
"""Routes that dilute a mean: probes and files."""


def quoted(value: str) -> str:
    """A string literal whose value is `value`; what UTF-8 cannot hold becomes U+FFFD."""
    return '"' + "".join(_escaped(char) for char in value) + '"'


def _escaped(char: str) -> str:
    if char in _ESCAPES:
        return _ESCAPES[char]
    code = ord(char)
    if 0xD800 <= code <= 0xDFFF:
        return _ESCAPES["\ufffd"]  # the server takes that rune itself for broken UTF-8
    return char if char.isprintable() else f"\\U{code:08x}"


def selector(
    metric: str,
    equal: Mapping[str, str] | None = None,
    without: Mapping[str, str] | None = None,
    like: Mapping[str, str] | None = None,
) -> str:
    """`metric{label="value",other!~"regex",third=~"regex"}`; BadInput when a name is none."""
    matchers = [f"{_label(name)}={quoted(value)}" for name, value in sorted((equal or {}).items())]
    matchers += [f"{_label(name)}!~{quoted(value)}" for name, value in sorted((without or {}).items())]
    matchers += [f"{_label(name)}=~{quoted(value)}" for name, value in sorted((like or {}).items())]
    return f"{metric_name(metric)}{{{','.join(matchers)}}}" if matchers else metric_name(metric)


def metric_name(name: str) -> str:
    """The name itself; BadInput when it is no metric name."""
    if not is_metric(name):
        raise BadInput(f"{name[:80]!r} is no metric name", "give the name of a duration metric without labels")
    return name


def is_metric(name: str) -> bool:
    """Whether it can be written without quotes."""
    return _METRIC.fullmatch(name) is not None


def is_label(name: str) -> bool:
    """Whether it can be written without quotes."""
    return _LABEL.fullmatch(name) is not None


def _label(name: str) -> str:
    if not is_label(name):
        raise BadInput(f"{name[:80]!r} is no label name", "use letters, digits and underscores")
    return name


def duration(seconds: float) -> str:
    """A range such as `240s`, rounded up to whole seconds, at least one."""
    return f"{max(1, -int(-seconds // 1))}s"


def pooled_mean(sums: str, counts: str, window: str) -> str:
    """Mean duration of all requests together: never a mean of means."""
    return f"sum(rate({sums}[{window}])) / sum(rate({counts}[{window}]))"


def pooled_quantile(q: float, buckets: str, window: str) -> str:
    """A quantile of all requests together, from a classic histogram."""
    return f"histogram_quantile({q}, sum by (le) (rate({buckets}[{window}])))"


def pooled_rate(counts: str, window: str) -> str:
    """Requests a second."""
    return f"sum(rate({counts}[{window}]))"
