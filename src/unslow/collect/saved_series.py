"""A saved series: CSV `at,mean_s,p99_s,requests_per_s`, or the JSON of a Prometheus range query."""

from __future__ import annotations

import contextlib
import csv
import io
import math
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from statistics import median

import msgspec

from unslow.collect.prometheus_api import Answer, number
from unslow.errors import BadInput
from unslow.evidence.series import Point, Series

MAX_BYTES = 32 * 2**20
MAX_POINTS = 100_000
_REMEDY = "give CSV with the header at,mean_s,p99_s,requests_per_s, or the JSON of one range query of the mean"
_VALUES = ("mean_s", "p99_s", "requests_per_s")

_decode_answer = msgspec.json.Decoder(Answer).decode


def read_series(path: Path) -> Series:
    """The series in the file, in time order. BadInput when it is missing, damaged, too large or empty."""
    try:
        if not path.is_file():
            raise BadInput(f"{path} is no file", _REMEDY)
        with path.open("rb") as file:
            body = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}", _REMEDY) from error
    if len(body) > MAX_BYTES:
        raise BadInput(f"{path} is larger than {MAX_BYTES >> 20} MiB", "save a shorter time or a longer step")
    try:
        text = body.decode("utf-8-sig")
        points = _from_json(text) if text.lstrip()[:1] == "{" else _from_csv(text)
    except UnicodeDecodeError as error:
        raise BadInput(f"{path} is no text", _REMEDY) from error
    except BadInput as error:
        raise BadInput(f"{path}: {error.message}", error.remedy or _REMEDY) from error
    if not points:
        raise BadInput(f"{path} holds no points", _REMEDY)
    points.sort(key=lambda point: point.at_s)
    steps = [after.at_s - before.at_s for before, after in pairwise(points)]
    if any(step == 0 for step in steps):
        raise BadInput(f"{path} has two rows of one time", "pool the series first: a mean of means is wrong")
    return Series(source=str(path), query="", step_s=float(median(steps)) if steps else 0.0, points=tuple(points))


def _from_json(text: str) -> list[Point]:
    try:
        answer = _decode_answer(text)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError) as error:
        raise BadInput(f"no JSON of a Prometheus query: {str(error)[:200]}") from error
    results = answer.data.result if answer.data else []
    if answer.status != "success" or not results:
        raise BadInput("the saved query was not answered or is empty")
    if len(results) > 1:
        raise BadInput(
            f"{len(results)} series in one file",
            "save one pooled series: sum(rate(x_sum[5m])) / sum(rate(x_count[5m]))",
        )
    _held(len(results[0].values))
    return [Point(at_s=_in_range(at), mean_s=_mean(number(value))) for at, value in results[0].values]


def _from_csv(text: str) -> list[Point]:
    rows = csv.reader(io.StringIO(text))
    points: list[Point] = []
    try:
        header = [name.strip().lower() for name in next(rows, [])]
        if "at" not in header or "mean_s" not in header:
            raise BadInput("the first line is not at,mean_s,p99_s,requests_per_s")
        for row in rows:
            if any(cell.strip() for cell in row):
                points.append(_point(dict(zip(header, row, strict=False)), rows.line_num))
                _held(len(points))
    except csv.Error as error:
        raise BadInput(f"line {rows.line_num}: {error}") from error
    return points


def _point(row: dict[str, str], line: int) -> Point:
    try:
        values = {name: number(row[name]) if row.get(name, "").strip() else None for name in _VALUES}
        return Point(
            at_s=_time(row.get("at", "").strip()),
            mean_s=_mean(values["mean_s"]),
            p99_s=_mean(values["p99_s"]),
            requests_per_s=values["requests_per_s"],
        )
    except BadInput as error:
        raise BadInput(f"line {line}: {error.message}") from error


def _time(text: str) -> float:
    """Unix seconds, from such or from RFC 3339 (UTC when it names no zone)."""
    with contextlib.suppress(ValueError):  # not a number, so a date
        return _in_range(float(text))
    try:
        at = datetime.fromisoformat(text)
        return _in_range((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError) as error:
        raise BadInput(f"{text[:40]!r} is no time") from error


def _in_range(at: float) -> float:
    if not math.isfinite(at) or not 0 <= at < 4_102_444_800:
        raise BadInput(f"{at!r} is no time in Unix seconds")
    return at


def _mean(value: float | None) -> float | None:
    if value is not None and value < 0:
        raise BadInput(f"{value!r} is no response time")
    return value


def _held(count: int) -> None:
    if count > MAX_POINTS:
        raise BadInput(f"more than {MAX_POINTS:,} points", "save a shorter time or a longer step")
