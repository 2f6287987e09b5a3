"""Loki's HTTP API: slow statements in the logs that it keeps, of pods that are gone too."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec

from unslow.collect.prom_http import Http, brief
from unslow.collect.prom_login import Login
from unslow.collect.promql import quoted
from unslow.collect.slow_logs import SlowLogReader
from unslow.errors import Unavailable
from unslow.evidence.logs import SlowLog
from unslow.evidence.window import Window

LIMIT = 5000
"""Lines of one answer: the most that a Loki gives unless it is told otherwise."""
_NAMESPACE = ("namespace", "k8s_namespace_name", "kubernetes_namespace_name", "exported_namespace")
_POD = ("pod", "k8s_pod_name", "kubernetes_pod_name", "pod_name")
_SLOW = r"(?i)(slow[ _-]?(query|sql|statement)|duration: [0-9.]+ ms)"
"""Only such lines leave the server; `slow_logs` then reads them."""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    log: SlowLog
    """`lines` are those that name a slow statement; the others stayed at the server."""
    query: str
    cut: bool = False
    """There were more lines than Loki gives: the newest are here."""


class _Labels(msgspec.Struct):
    status: str = ""
    data: list[str] | None = None


class _Stream(msgspec.Struct):
    stream: dict[str, str] = {}
    values: list[list[object]] = []
    """Nanoseconds and the line; newer servers add the structured metadata."""


class _Data(msgspec.Struct, rename="camel"):
    result_type: str = ""
    result: list[_Stream] = []


class _Answer(msgspec.Struct):
    status: str = ""
    data: _Data = msgspec.field(default_factory=_Data)


def slow_log(base_url: str, login: Login, namespace: str, workload: str, window: Window) -> Found:
    """Slow statements in the logs of the workload's pods within the window.

    Raises Unavailable, telling apart no connection, no access, a refusal, and a Loki that knows no such labels.
    """
    http = Http(base_url, login, "Loki")
    times = {"start": str(int(window.start_s * 1e9)), "end": str(int(window.end_s * 1e9))}
    known = _labels(http, times)
    named, pod = _first(_NAMESPACE, known), _first(_POD, known)
    if not named or not pod:
        raise Unavailable(
            f"labels of namespace and pod at {http.what}; there are {', '.join(sorted(known)[:8]) or 'none'}",
            "let the log agent keep them, as Promtail, Alloy and the OpenTelemetry collector do",
        )
    pods = quoted(f"{re.escape(workload)}-.*")
    query = f"{{{named}={quoted(namespace)},{pod}=~{pods}}} |~ {quoted(_SLOW)}"
    status, body = http.get(
        "/loki/api/v1/query_range", {"query": query, **times, "limit": str(LIMIT), "direction": "backward"}
    )
    answer = _decoded(http, status, body)
    streams = answer.data.result
    count = sum(len(one.values) for one in streams)
    return Found(log=_read(streams, http.name, pod, window), query=query, cut=count >= LIMIT)


def _labels(http: Http, times: dict[str, str]) -> frozenset[str]:
    status, body = http.get("/loki/api/v1/labels", times)
    if status != 200:
        raise _refused(http, status, body)
    try:
        return frozenset(msgspec.json.decode(body, type=_Labels).data or ())
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise http.no_answer(status) from error


def _decoded(http: Http, status: int, body: bytes) -> _Answer:
    if status != 200:
        raise _refused(http, status, body)
    try:
        answer = msgspec.json.decode(body, type=_Answer)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise http.no_answer(status) from error
    if answer.status != "success" or answer.data.result_type != "streams":
        raise http.no_answer(status)
    return answer


def _refused(http: Http, status: int, body: bytes) -> Unavailable:
    """Loki tells why in plain text."""
    if status == 400:
        said = brief(body.decode(errors="replace"))
        return Unavailable(f"{http.what}: it refused the question ({said})", "a newer Loki, or its limits_config")
    return http.no_answer(status)


def _first(names: Sequence[str], known: frozenset[str]) -> str:
    return next((name for name in names if name in known), "")


def _read(streams: Sequence[_Stream], name: str, pod: str, window: Window) -> SlowLog:
    with tempfile.TemporaryDirectory() as folder:
        files: dict[Path, str] = {}
        lines = 0
        for number, one in enumerate(streams):
            texts = [value[1] for value in one.values if len(value) > 1 and isinstance(value[1], str)]
            path = Path(folder) / f"{number}.log"
            path.write_text("\n".join(text.rstrip("\n") for text in reversed(texts)) + "\n", "utf-8", "replace")
            files[path] = f"{name} {one.stream.get(pod, '')}".rstrip()
            lines += len(texts)
        if not files:
            return SlowLog(files=(name,), bytes=0, lines=0, statements=())
        found = SlowLogReader(list(files), ()).read(window)
        titles = tuple(dict.fromkeys(files[Path(file)] for file in found.files))
        return msgspec.structs.replace(found, files=titles, lines=lines)
