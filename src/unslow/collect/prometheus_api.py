"""The Prometheus HTTP API (Thanos, Mimir and VictoriaMetrics too): one GET for each question, bounded in time and size."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from unslow.collect.prom_http import TOTAL_S, Http, brief
from unslow.collect.prom_login import Login
from unslow.errors import BadInput, Unavailable


class Result(msgspec.Struct):
    """One series of an answer: `value` of an instant query, `values` of a range query."""

    metric: dict[str, str] = {}
    value: tuple[float, str] | None = None
    values: list[tuple[float, str]] = []
    histograms: list[tuple[float, msgspec.Raw]] = []
    """Of a native histogram; what is in it is left to the server's functions."""


class Data(msgspec.Struct, rename="camel"):
    result_type: str = ""
    result: list[Result] = []


class Answer(msgspec.Struct, rename="camel"):
    status: str
    data: Data | None = None
    error: str = ""
    error_type: str = ""
    warnings: list[str] | None = None
    is_partial: bool | None = None
    """VictoriaMetrics' word for an answer that lacks some of its storage nodes."""


class _Rules(msgspec.Struct):
    status: str
    data: dict[str, Any] = {}


_decode_answer = msgspec.json.Decoder(Answer).decode


class Api:
    """A server that is asked in PromQL; `warnings` keeps what it said of its answers, such as that they are partial."""

    def __init__(
        self,
        base_url: str,
        login: Login = Login(),  # noqa: B008 - it is frozen
        total_s: float = TOTAL_S,
    ) -> None:
        """`total_s`: for all questions together. BadUsage for an address that is none."""
        self._http = Http(base_url, login, "Prometheus", total_s)
        self.warnings: list[str] = []

    @property
    def name(self) -> str:
        """The address without credentials, for messages."""
        return self._http.name

    def instant(self, query: str, at_s: float) -> Sequence[Result]:
        """Series at one instant. Unavailable when there is no usable answer."""
        return self._ask("query", {"query": query, "time": f"{at_s:.3f}"})

    def range(self, query: str, start_s: float, end_s: float, step_s: float) -> Sequence[Result]:
        """Series over time; both ends included. Unavailable when there is no usable answer."""
        return self._ask(
            "query_range",
            {"query": query, "start": f"{start_s:.3f}", "end": f"{end_s:.3f}", "step": f"{step_s:.3f}"},
        )

    def rules(self) -> dict[str, Any]:
        """The `data` of the alert rules that the server evaluates. Unavailable when there is no usable answer."""
        status, body = self._http.get("/api/v1/rules", {"type": "alert"})
        try:
            answer = msgspec.json.decode(body, type=_Rules)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise self._http.no_answer(status) from error
        if answer.status != "success" or status != 200:
            raise self._http.no_answer(status)
        return answer.data

    def _ask(self, what: str, parameters: Mapping[str, str]) -> Sequence[Result]:
        status, body = self._http.get(f"/api/v1/{what}", parameters)
        answer = self._answer(status, body, parameters["query"])
        for warning in answer.warnings or ():
            self._warn(warning)
        if answer.is_partial:
            self._warn("the answer is partial")
        return answer.data.result if answer.data else []

    def _warn(self, text: str) -> None:
        line = " ".join(text.split())[:200]
        if line not in self.warnings and len(self.warnings) < 10:
            self.warnings.append(line)

    def _answer(self, status: int, body: bytes, query: str) -> Answer:
        try:
            answer = _decode_answer(body)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise self._http.no_answer(status) from error
        if answer.status == "success" and status == 200:
            return answer
        if answer.error_type in {"timeout", "canceled", "unavailable"} or status in {502, 503, 504}:
            raise Unavailable(
                f"Prometheus at {self.name}: it gave up ({brief(answer.error) or status})",
                "try again, or a server with less load",
            )
        if status in {401, 403}:
            raise self._http.no_answer(status)
        raise Unavailable(
            f"Prometheus at {self.name}: it refused {query[:200]!r} ({brief(answer.error) or status})",
            "check that the server speaks PromQL, and name the metric yourself",
        )


def number(text: str) -> float | None:
    """A sample's value; None for NaN and infinity (0/0: nothing completed). BadInput when it is none."""
    try:
        value = float(text)
    except ValueError as error:
        raise BadInput(f"{text[:40]!r} is no sample value") from error
    return value if math.isfinite(value) else None
