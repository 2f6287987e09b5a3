"""Alert rules as a rule file or Prometheus gives them, and the parts of a latency expression."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
import yaml

from unslow.errors import BadInput

_SELECTOR = re.compile(
    r"(?P<metric>[a-zA-Z_:][\w:]*)\s*(?P<matchers>\{(?:[^\"'{}]|\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*')*\})?"
    r"\s*(?:\[(?P<over>[\dsmhdwy]+)(?::[^\]]*)?\])?"
)
_MATCHER = re.compile(r"(\w+)\s*(=~|!~|!=|=)\s*(\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*')")
_STRING = re.compile(r"\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'")
_LIMIT = re.compile(r"(>=?|<=?)\s*(?:bool\s+)?([\d.]+(?:e[+-]?\d+)?)", re.IGNORECASE)
_LATENCY = re.compile(r"duration|latency|response_time|request_time|requests_seconds|_seconds_(sum|bucket|count)")
_UNIT_S = {"ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0, "y": 31536000.0}
_SUFFIX = re.compile(r"_(sum|count|bucket)$")


class Matcher(msgspec.Struct, frozen=True):
    label: str
    operator: str
    value: str


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One selector of an expression; `over_s` is None when it is no range."""

    metric: str
    matchers: tuple[Matcher, ...] = ()
    over_s: float | None = None


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    expression: str
    for_s: float = 0.0
    labels: dict[str, str] = {}

    @property
    def parts(self) -> tuple[Part, ...]:
        return tuple(_parts(self.expression))

    @property
    def timed(self) -> tuple[Part, ...]:
        """The selectors of a duration metric."""
        return tuple(part for part in self.parts if _LATENCY.search(part.metric))

    @property
    def base(self) -> str:
        """The histogram's name without `_sum`, `_count`, `_bucket`; empty when there is none."""
        return _SUFFIX.sub("", self.timed[0].metric) if self.timed else ""

    @property
    def limit(self) -> float | None:
        """The number it is compared with (the last one above), in the metric's own unit."""
        found = [float(value) for sign, value in _LIMIT.findall(self.structure) if sign.startswith(">")]
        return found[0] if found else None

    @property
    def structure(self) -> str:
        """The expression without the contents of strings, so that no value looks like a function."""
        return " ".join(_STRING.sub('""', self.expression).split())


def meant_seconds(rule: Rule) -> bool:
    """Whether a metric in milliseconds is compared with what looks like seconds."""
    return rule.limit is not None and re.search(r"_(milliseconds|ms)$", rule.base) is not None and rule.limit <= 20


def on_latency(found: Sequence[Rule]) -> tuple[Rule, ...]:
    return tuple(rule for rule in found if rule.timed)


def seconds(text: object) -> float:
    """`5m`, `1h30m`, or a number of seconds -> seconds; BadInput when it is no duration."""
    if isinstance(text, int | float):
        return float(text)
    said = str(text).strip()
    pieces = re.findall(r"(\d+)(ms|[smhdwy])", said)
    if said == "0":
        return 0.0
    if not pieces or "".join(number + unit for number, unit in pieces) != said:
        raise BadInput(f"{said[:40]!r} is no duration", "write it as in 5m or 1h30m")
    return sum(float(number) * _UNIT_S[unit] for number, unit in pieces)


def read(text: str) -> tuple[Rule, ...]:
    """The alerts of a rule file, or of a PrometheusRule manifest (several documents too). BadInput when it is none."""
    try:
        documents = [one for one in yaml.safe_load_all(text) if one is not None]
    except (yaml.YAMLError, RecursionError) as error:
        raise BadInput("the rules are no YAML", "give a Prometheus rule file or a PrometheusRule manifest") from error
    return tuple(rule for document in documents for rule in _of_groups(_groups(document)))


def answered(data: Mapping[str, Any]) -> tuple[Rule, ...]:
    """The alerts of the `data` of Prometheus' `/api/v1/rules`."""
    return tuple(_of_groups(data.get("groups") or []))


def _groups(document: object) -> list[Any]:
    if isinstance(document, dict):
        spec = document.get("spec")
        groups = spec.get("groups") if isinstance(spec, dict) else document.get("groups")
        if isinstance(groups, list):
            return groups
    raise BadInput("there are no rule groups", "give a Prometheus rule file or a PrometheusRule manifest")


def _of_groups(groups: Sequence[Any]) -> Iterator[Rule]:
    for group in groups:
        for one in (group.get("rules") or []) if isinstance(group, dict) else ():
            name = (one.get("alert") or (one.get("name") if one.get("type") == "alerting" else "")) or ""
            text = one.get("expr") or one.get("query")
            if name and isinstance(text, str):
                held = one.get("for", one.get("duration", 0)) or 0
                labels = {str(key): str(value) for key, value in (one.get("labels") or {}).items()}
                yield Rule(name=str(name), expression=text, for_s=seconds(held), labels=labels)


def _parts(expression: str) -> Iterator[Part]:
    for found in _SELECTOR.finditer(_masked(expression)):
        start, end = found.span()
        whole = _SELECTOR.match(expression, start, end)
        if whole is None or not (whole["matchers"] or whole["over"] or _LATENCY.search(whole["metric"])):
            continue
        matchers = tuple(
            Matcher(label, operator, value[1:-1].replace('\\"', '"').replace("\\\\", "\\"))
            for label, operator, value in _MATCHER.findall(whole["matchers"] or "")
        )
        yield Part(metric=whole["metric"], matchers=matchers, over_s=seconds(whole["over"]) if whole["over"] else None)


def _masked(expression: str) -> str:
    """Strings of the same length without letters, so that positions stay."""
    return _STRING.sub(lambda found: '"' + " " * (len(found[0]) - 2) + '"', expression)
