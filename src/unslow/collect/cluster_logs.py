"""Slow statements in the logs of the workload's containers, the last run's too."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec

from unslow.collect.cluster_questions import Answer, Questions
from unslow.collect.slow_logs import SlowLogReader
from unslow.errors import Unavailable
from unslow.evidence.logs import SlowLog
from unslow.evidence.window import Window
from unslow.kube import core
from unslow.kube.client import Client

MOST_LOGS = 12
"""Containers whose log is read; the rest serve the same requests."""
MOST_BYTES = 2 * 1024 * 1024
"""Of each log: its end."""
SINCE_S = 3600


def asked(ask: Questions, pods: Sequence[core.Pod]) -> list[tuple[str, Answer[bytes]]]:
    """The logs of the pods' containers, asked for side by side."""
    wanted = []
    for pod in pods:
        for status in pod.status.container_statuses or ():
            if status.state.running or status.state.terminated:
                wanted.append((pod, status.name, False))
            if status.restart_count:
                wanted.append((pod, status.name, True))
    return [
        (_title(pod, container, previous), ask.ask(_log, ask.client, pod, container, previous))
        for pod, container, previous in wanted[:MOST_LOGS]
    ]


def _title(pod: core.Pod, container: str, previous: bool) -> str:
    run = " --previous" if previous else ""
    return f"kubectl logs -n {pod.metadata.namespace} {pod.metadata.name} -c {container}{run}"


def _log(client: Client, pod: core.Pod, container: str, previous: bool) -> bytes:
    """The end of it, at most `MOST_BYTES`; the API can only cut the beginning off by lines or time."""
    parameters: dict[str, str | int] = {"container": container, "sinceSeconds": SINCE_S, "tailLines": 20_000}
    if previous:
        parameters = {"container": container, "previous": "true", "tailLines": 20_000}
    namespace = pod.metadata.namespace
    path = f"/api/v1/namespaces/{namespace}/pods/{pod.metadata.name}/log"
    with client.stream(path, parameters, asked=f"get pods/log in namespace {namespace}", quiet_s=5.0) as pieces:
        kept = bytearray()
        for piece in pieces:
            kept += piece
            if len(kept) > 2 * MOST_BYTES:
                del kept[:-MOST_BYTES]
    return bytes(kept[-MOST_BYTES:])


def slow_log(logs: Sequence[tuple[str, Answer[bytes]]], window: Window) -> SlowLog:
    """Raises `Unavailable` with the refusal when no log at all could be read."""
    with tempfile.TemporaryDirectory() as folder:
        files: dict[Path, str] = {}
        refused: Unavailable | None = None
        for number, (title, answer) in enumerate(logs):
            path = Path(folder) / f"{number}.log"
            try:
                path.write_bytes(answer())
            except Unavailable as error:
                refused = error
            else:
                files[path] = title
        if not files:
            raise refused or Unavailable("a container that has run", "look at the pods' events")
        found = SlowLogReader(list(files), ()).read(window)
        return msgspec.structs.replace(found, files=tuple(files[Path(file)] for file in found.files))
