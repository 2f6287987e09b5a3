"""What a stack is doing: the innermost library that is known decides, else the application's own code.

The walk goes from the leaf to the root and stops at the first match, so that a connection opened
inside a pool's check-out is a connect, and a host name looked up inside an HTTP client is DNS.
Generic waits (threading, selectors, sockets) match nothing; whoever called them says what they mean.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Literal

import msgspec

from unslow.evidence.profile import Frame, Profile, Sample
from unslow.measure.libraries import (
    DATABASE,
    KEY_VALUE,
    RETRYING,
    SERIALIZERS,
    KnownKind,
    bare,
    dotted,
    is_application,
    is_installed,
    kind_of,
    label,
    library_path,
    package,
)

Kind = Literal[
    "dns", "connect", "pool", "query", "orm", "redis", "http", "retry", "log", "client_io", "sleep", "wait",
    "lock", "program", "template", "code", "library", "server",
]  # fmt: skip

CONNECTING = frozenset(
    ["connect", "_connect", "connect_async", "wait_conn", "_request_authentication", "_configured_socket"]
)
BLOCKING_COMMANDS = frozenset(
    [
        "blpop",
        "brpop",
        "brpoplpush",
        "blmove",
        "blmpop",
        "bzpopmin",
        "bzpopmax",
        "bzmpop",
        "xread",
        "xreadgroup",
        "listen",
        "get_message",
    ]
)
TEMPLATE_FILES = (".html", ".htm", ".j2", ".jinja", ".jinja2", ".mako")
CALLED_KINDS: tuple[tuple[str, Kind], ...] = (
    ("time.sleep", "sleep"),
    ("socket.getaddrinfo", "dns"),
    ("socket.gethostby", "dns"),
    ("socket.", "http"),
    ("threading.Lock", "lock"),
    ("threading.RLock", "lock"),
    ("threading.Semaphore", "lock"),
    ("threading.", "wait"),
    ("fcntl.", "lock"),
    ("os.wait", "program"),
    ("queue.", "wait"),
    ("select.", "wait"),
    ("cursor.", "query"),
)
"""What a source line that calls C code is doing, by the called name; first prefix wins."""


class Place(msgspec.Struct, frozen=True):
    kind: Kind
    where: str


def place_of(stack: Sequence[Frame], state: str = "") -> Place:
    """Classify a stack (outermost first); `state`, when known, tells what leaves no frame: locks, C calls."""
    if handler := _log_handler(stack):
        return Place("log", handler)
    generic = ""
    library: Frame | None = None
    for index in range(len(stack) - 1, -1, -1):
        frame = stack[index]
        path = library_path(frame.file)
        if path is None:
            return _application_place(stack, index, state, generic, library)
        kind = kind_of(path, bare(frame.function))
        if kind == "server":
            return _server_place(stack, index, generic, library)
        if kind == "waits" or kind == "socket":
            generic = generic if generic == "socket" else kind
        elif kind == "":
            library = frame
        else:
            return _library_place(stack, index, kind, generic)
    return Place("wait", dotted(stack[0])) if generic else Place("server", "interpreter")


def request_entry(stack: Sequence[Frame]) -> int | None:
    """Index of the outermost frame that serves a request; None when the thread is not in one."""
    for index, frame in enumerate(stack):
        path = library_path(frame.file)
        if path is not None and _enters_request(path, bare(frame.function)):
            return index
    return None


def in_request(stack: Sequence[Frame]) -> bool:
    """Whether the thread is inside a request, as opposed to idle or reading the next one."""
    return request_entry(stack) is not None


def caller_in_app(stack: Sequence[Frame]) -> Frame | None:
    """The innermost frame of the application; None when there is none."""
    return next((frame for frame in reversed(stack) if is_application(frame)), None)


def has_retry(stack: Sequence[Frame]) -> bool:
    """Whether code that tries again is on the stack."""
    return any(_retries(frame) for frame in stack) or _tries(stack) > 1


def samples_of_route(profile: Profile) -> tuple[Sample, ...]:
    """The in-request samples of the target's route.

    A request whose view was never seen (too short, or answered by a hook) has no route; such samples
    count with the route's share of the samples that have one.
    """
    inside = [sample for sample in profile.samples if in_request(stack_of(profile, sample))]
    if not profile.route:
        return tuple(inside)
    mine = [sample for sample in inside if sample.route == profile.route]
    seen_s = sum(sample.seconds for sample in inside if sample.route)
    share = sum(sample.seconds for sample in mine) / seen_s if seen_s else 1.0
    unseen = [sample for sample in inside if not sample.route and _in_framework(stack_of(profile, sample))]
    scaled = (msgspec.structs.replace(sample, seconds=sample.seconds * share) for sample in unseen)
    return (*mine, *(sample for sample in scaled if sample.seconds > 0))


def stack_of(profile: Profile, sample: Sample) -> list[Frame]:
    """The frames of a sample, outermost first."""
    return [profile.frames[index] for index in sample.stack]


def breakdown(profile: Profile) -> dict[tuple[Kind, str], dict[str, float]]:
    """Thread-seconds of the target's route by place and state; they sum to its in-request time."""
    seconds: dict[tuple[Kind, str], dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for sample in samples_of_route(profile):
        place = place_of(stack_of(profile, sample), sample.state)
        seconds[place.kind, place.where][sample.state] += sample.seconds
    return {place: dict(states) for place, states in seconds.items()}


def request_seconds(profile: Profile) -> float:
    """Thread-seconds that requests of the target's route spent inside the application."""
    return sum(sample.seconds for sample in samples_of_route(profile))


def busy_share_of_route(profile: Profile) -> float:
    """Of the thread-seconds in requests whose route is known, the target's share: 0..1."""
    known = [sample for sample in profile.samples if sample.route]
    total_s = sum(sample.seconds for sample in known)
    if not profile.route or not total_s:
        return 1.0
    return sum(sample.seconds for sample in known if sample.route == profile.route) / total_s


def _enters_request(path: str, function: str) -> bool:
    if path.startswith("gunicorn/workers/"):
        return function in {"handle_request", "handle_http2_request"}
    if path == "flask/app.py":
        return function in {"wsgi_app", "__call__"}
    if path == "django/core/handlers/wsgi.py":
        return function == "__call__"
    if path == "waitress/task.py":
        return function in {"service", "execute"}
    return path == "werkzeug/serving.py" and function == "run_wsgi"


def _in_framework(stack: Sequence[Frame]) -> bool:
    paths = {library_path(frame.file) for frame in stack}
    return bool(paths & {"flask/app.py", "django/core/handlers/wsgi.py"})


def _log_handler(stack: Sequence[Frame]) -> str:
    """The handler that a logging call is in, whatever it does there; empty outside logging."""
    for index in range(len(stack) - 1, -1, -1):
        path = library_path(stack[index].file)
        name = bare(stack[index].function)
        if path == "logging/__init__.py" and name in {"handle", "callHandlers", "_log"}:
            inner = stack[min(index + 1, len(stack) - 1)]
            return _name(inner)
        if path is None and name == "emit":
            return label(stack[index])
    return ""


def _name(frame: Frame) -> str:
    return label(frame) if is_application(frame) else dotted(frame)


def _application_place(stack: Sequence[Frame], index: int, state: str, generic: str, library: Frame | None) -> Place:
    frame = stack[index]
    where = label(frame)
    if frame.file.endswith(TEMPLATE_FILES) or frame.file.startswith("<template"):
        return Place("template", where)
    if library is not None:
        if generic == "socket":
            return Place("http", f"{dotted(library)} called from {where}")
        return Place("library", f"{dotted(library)} called from {where}")
    if generic == "socket":
        return Place("http", where)
    if generic == "waits":
        return _waiting_place(stack, index, f"{dotted(stack[index + 1])} in {where}")
    return _code_place(stack, index, state)


def _code_place(stack: Sequence[Frame], index: int, state: str) -> Place:
    """The leaf is the application's: C code leaves no frame, the source line or the thread's state tells."""
    frame = stack[index]
    where = label(frame)
    kind = _called_kind(frame.calls)
    if kind == "sleep" or (not frame.calls and state == "sleep"):
        return Place("retry", where) if _retries(frame) else Place("sleep", where)
    if kind == "wait":
        return _waiting_place(stack, index, f"{frame.calls} in {where}")
    if state == "lock" and kind is None:
        return Place("lock", where)
    if kind == "lock" and state == "run":  # it has the lock already
        return Place("code", where)
    if kind is not None:
        return Place(kind, where)
    if frame.calls:
        return Place("library", f"{frame.calls} called from {where}")
    return Place("code", where)


def _waiting_place(stack: Sequence[Frame], index: int, where: str) -> Place:
    return Place("retry", label(stack[index])) if _retries(stack[index]) else Place("wait", where)


def _called_kind(calls: str) -> Kind | None:
    if not calls:
        return None
    for prefix, kind in CALLED_KINDS:
        if calls.startswith(prefix):
            return kind
    if calls.partition(".")[0] in DATABASE:
        return "connect" if calls.endswith(".connect") else "query"
    return "redis" if calls.partition(".")[0] in KEY_VALUE else None


def _server_place(stack: Sequence[Frame], index: int, generic: str, library: Frame | None) -> Place:
    if generic == "socket" or (generic and _reads_ahead(stack)) or bare(stack[index].function) == "wait_for_data":
        return Place("client_io", "reading from and writing to the client")
    path = library_path(library.file) if library else None
    if library and path and (is_installed(library.file) or package(path) in SERIALIZERS):
        return Place("library", dotted(library))
    return Place("server", dotted(stack[index]))


def _reads_ahead(stack: Sequence[Frame]) -> bool:
    """A worker has accepted a connection and its request is not there yet."""
    handles = any(
        bare(frame.function) == "handle" and (library_path(frame.file) or "").startswith("gunicorn/workers/")
        for frame in stack
    )
    return handles and not in_request(stack)


def _library_place(stack: Sequence[Frame], index: int, kind: KnownKind, generic: str) -> Place:
    caller = caller_in_app(stack[:index])
    where = label(caller) if caller else dotted(stack[index])
    names = _names_in_package(stack, index)
    if kind == "query":
        if "notifies" in names:
            return Place("wait", where)
        return Place("connect" if names & CONNECTING else "query", where)
    if kind == "redis":
        if names & BLOCKING_COMMANDS:
            return Place("wait", where)
        if generic == "waits" and "get_connection" in names:
            return Place("pool", where)
        waits_for_lock = library_path(stack[index].file) == "redis/lock.py"
        return Place("lock" if waits_for_lock else "redis", where)
    return Place(kind, where)


def _names_in_package(stack: Sequence[Frame], index: int) -> set[str]:
    """Bare names of the frames of one library call, from `index` outwards to its caller."""
    name = package(library_path(stack[index].file) or "")
    names = set()
    for frame in reversed(stack[: index + 1]):
        path = library_path(frame.file)
        if path is None or package(path) != name:
            break
        names.add(bare(frame.function))
    return names


def _retries(frame: Frame) -> bool:
    path = library_path(frame.file)
    if path is None:
        return "retry" in frame.function.lower() or "retries" in frame.function.lower()
    return path == "urllib3/util/retry.py" or package(path) in RETRYING


def _tries(stack: Sequence[Frame]) -> int:
    """How deep urllib3's `urlopen` called itself: it does so to try again."""
    return sum(
        bare(frame.function) == "urlopen" and library_path(frame.file) == "urllib3/connectionpool.py" for frame in stack
    )
