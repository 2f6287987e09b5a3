"""The application server as it is configured, checked against the processes that run."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path, PurePath
from typing import NamedTuple

from unslow.collect import gunicorn_settings, processes
from unslow.collect.discovery import Found
from unslow.evidence.servers import Server

UNLIMITED = 1024
"""Threads of a server that starts one per request: more than any backlog holds."""
_METRIC_FILE = re.compile(r"/(counter|histogram|summary|gauge_\w+?)_\d+\.db$")
_ASYNC = ("gevent", "eventlet", "tornado", "uvicorn", "asgi")


class Settings(NamedTuple):
    """What a server's configuration says; None where it says nothing."""

    worker_class: str = ""
    threads: int = 1
    timeout_s: float | None = None
    keepalive_s: float | None = None
    backlog: int | None = None


def server(found: Found) -> Server:
    """Settings and processes of the application server, now; what cannot be known is empty or None.

    Called at the end of a window, `restarts` counts the workers that `found` did not know yet.
    """
    command = processes.command_line(found.master)
    name = server_name(found, command)
    now = found.workers_now() or found.workers
    settings = _READERS[name](found, command)
    return Server(
        name=name,
        version=_version(command, name),
        worker_class=settings.worker_class,
        workers=len(now),
        threads=settings.threads,
        timeout_s=settings.timeout_s,
        keepalive_s=settings.keepalive_s,
        backlog=settings.backlog,
        port=found.ports[0] if found.ports else found.port,
        pids=now,
        master_pid=found.master,
        started_s=processes.started_s(found.master) or 0.0,
        worker_started_s=tuple(started for pid in now if (started := processes.started_s(pid)) is not None),
        python=python_version(found),
        cores=os.cpu_count() or 1,
        proxies=found.proxies,
        multiprocess_metrics=multiprocess_metrics(found),
        restarts=len(set(now) - set(found.workers)),
    )


def server_name(found: Found, command: tuple[str, ...]) -> str:
    """gunicorn, waitress, uwsgi, uvicorn, werkzeug; else python."""
    words = " ".join((PurePath(found.python).name, *command[:4]))
    for name, pattern in _NAMES.items():
        if re.search(pattern, words):
            return name
    return "werkzeug" if _serves_by_thread(found.workers[0]) else "python"


def _serves_by_thread(pid: int) -> bool:
    """The standard library's socketserver polls its listener in the main thread, two times a second."""
    state = processes.read(Path(f"/proc/{pid}/task/{pid}/syscall")) or ""
    return state.split(" ")[:1] == [_POLL]


_POLL = "73" if os.uname().machine == "aarch64" else "7"
_NAMES = {
    "gunicorn": r"\bgunicorn\b",
    "uwsgi": r"\buwsgi\b",
    "waitress": r"\bwaitress",
    "uvicorn": r"\b(uvicorn|hypercorn|daphne)\b",
    "werkzeug": r"\bflask\b.* run\b",
}


def _gunicorn(found: Found, command: tuple[str, ...]) -> Settings:
    known = gunicorn_settings.settings(command, found.cwd, found.environ, os.cpu_count() or 1)
    worker_class = str(known["worker_class"]).rpartition(".")[2].lower()
    threads = int(known["threads"])
    if any(name in worker_class for name in _ASYNC):
        threads = int(known["worker_connections"])
    keeps = worker_class != "sync"  # the sync worker closes after every answer, whatever is configured
    return Settings(
        worker_class,
        threads,
        float(known["timeout"]),
        float(known["keepalive"]) if keeps else 0.0,
        known["backlog"],
    )


def _waitress(found: Found, command: tuple[str, ...]) -> Settings:
    """waitress-serve's command line; `waitress.serve()` in a script is known by its threads only."""
    told = _number(command, ("--threads",))
    running = processes.stat(found.workers[0])
    threads = told or (running.threads - 1 if running and running.threads > 1 else 4)
    return Settings("waitress", threads, None, float(_number(command, ("--channel-timeout",)) or 120), 1024)


def _uwsgi(found: Found, command: tuple[str, ...]) -> Settings:
    settings = dict(_ini(found, command))
    threads = _number(command, ("--threads",)) or int(settings.get("threads", "1"))
    harakiri = _number(command, ("--harakiri",)) or int(settings.get("harakiri", "0"))
    backlog = _number(command, ("--listen", "-l")) or int(settings.get("listen", "100"))
    return Settings("uwsgi", threads, float(harakiri) or None, None, backlog)


def _ini(found: Found, command: tuple[str, ...]) -> list[tuple[str, str]]:
    names = [each.removeprefix("--ini=") for each in command if each.endswith(".ini")]
    text = processes.read(Path(found.cwd or "/") / names[0]) if names else None
    return re.findall(r"^\s*(threads|harakiri|listen)\s*=\s*(\d+)\s*$", text or "", re.MULTILINE)


def _werkzeug(found: Found, command: tuple[str, ...]) -> Settings:
    """Werkzeug's development server: a thread for every request."""
    return Settings("threaded", 1 if "--without-threads" in command else UNLIMITED, None, None, 128)


def _other(found: Found, command: tuple[str, ...]) -> Settings:
    """A server in a script: as many request threads as run beside the main thread."""
    running = processes.stat(found.workers[0])
    return Settings(threads=max(1, running.threads - 1) if running else 1)


_READERS: Mapping[str, Callable[[Found, tuple[str, ...]], Settings]] = {
    "gunicorn": _gunicorn,
    "waitress": _waitress,
    "uwsgi": _uwsgi,
    "uvicorn": _other,
    "werkzeug": _werkzeug,
    "python": _other,
}


def _number(command: tuple[str, ...], names: tuple[str, ...]) -> int:
    for at, argument in enumerate(command):
        name, equals, value = argument.partition("=")
        text = value if equals else "".join(command[at + 1 : at + 2])
        if name in names and text.isdigit():
            return int(text)
    return 0


def _version(command: tuple[str, ...], name: str) -> str:
    """From the package's metadata beside the interpreter or script; empty when it is elsewhere."""
    for program in (Path(argument) for argument in command[:2] if PurePath(argument).parent.name == "bin"):
        for folder in program.parent.parent.glob(f"lib/python3*/site-packages/{name}-*.dist-info"):
            return folder.name.removeprefix(f"{name}-").removesuffix(".dist-info")
    return ""


def python_version(found: Found) -> str:
    """As the interpreter itself says, else from its file name; empty when it is embedded in a server."""
    if processes.is_interpreter(found.python):
        answer = processes.run_as_owner(found.master, ["-V"])
        told = re.search(r"Python ([\d.]+\w*)", answer.stdout) if answer else None
        if told:
            return told[1]
    paths = [found.python, *(mapping.path for mapping in processes.mappings(found.master))]
    named = next((match for path in paths if (match := re.search(r"python(3\.\d+)", path))), None)
    return named[1] if named else ""


def multiprocess_metrics(found: Found) -> bool | None:
    """True when the Prometheus client shares counters through files; None when nothing tells."""
    if found.environ("PROMETHEUS_MULTIPROC_DIR") or found.environ("prometheus_multiproc_dir"):
        return True
    mapped = any(_METRIC_FILE.search(mapping.path) for pid in found.workers for mapping in processes.mappings(pid))
    return True if mapped else None
