"""A look from inside a pod: unslow's own collectors, sent to the Python that is in the image and run there by exec.

They see the container's processes, network namespace and control group as on one machine, so the same sections
come back. Nothing is written to the image or its volumes, and nothing outlives the exec.
"""

from __future__ import annotations

import platform
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

import unslow
from unslow.collect import cluster_inside_boot, cluster_inside_main, sampler, sampler_launch
from unslow.errors import Unavailable
from unslow.evidence import Evidence
from unslow.kube.client import Client
from unslow.kube.errors import ApiError
from unslow.kube.execute import Result, execute

PACKAGES = ("collect", "evidence", "measure")
NOT_INSIDE = (
    "unslow.collect.dsn",
    "unslow.collect.postgres",
    "unslow.collect.redis",
    "unslow.collect.otlp",
    "unslow.collect.spans",
    "unslow.collect.prometheus",
    "unslow.collect.saved_series",
    "unslow.measure.span_table",
)
"""Modules that need libraries which an image does not have; what they read is read from outside."""
INSIDE_TOO = ("cluster_inside_records.py", "cluster_inside_names.py")
PYTHONS = ("python3", "python")
EXTRA_S = 20.0
"""Beyond the budget: sending, starting, stopping the sampler."""
_LOADER = (
    "import sys,os\nn=int(sys.argv[1]);b=b''\nwhile len(b)<n:b+=os.read(0,n-len(b))\nexec(compile(b,'<unslow>','exec'))"
)
_TOO_OLD = 5
_BRINGS = "let a debug container bring it: --debug-image IMAGE"
MARK = cluster_inside_main.MARK.encode()


@dataclass(frozen=True, slots=True)
class Place:
    """Where to look."""

    namespace: str
    pod: str
    container: str
    port: int
    path: str
    architecture: str = ""
    """Of the node; empty: not known."""
    names: tuple[str, ...] = ()
    """Hosts that the application's settings name: looked up from inside."""


class NoPython(Unavailable):
    """The image has none that is new enough."""


class Lost(Unavailable):
    """It began and did not end well: another pod may do better."""


class Problem(msgspec.Struct, frozen=True):
    error: str
    remedy: str = ""


def look(
    client: Client,
    place: Place,
    progress: Callable[[str], None],
    *,
    budget_s: float,
    within_s: float,
    use_profile: bool,
    headers: dict[str, str],
) -> Evidence:
    """What the collectors saw inside in `budget_s`; `progress` hears what they are at.

    Raises `Unavailable` with what is missing there, `Lost` when it broke off or took longer than `within_s`.
    """
    request = {
        "target": f"http://127.0.0.1:{place.port}{place.path}",
        "budget_s": budget_s,
        "use_database": False,
        "use_profile": use_profile,
        "headers": headers,
        "names": place.names,
    }
    seconds = min(budget_s + EXTRA_S, within_s)
    body = message(request, seconds, with_sampler=use_profile and _same_machine(place.architecture))
    boot = Path(cluster_inside_boot.__file__).read_bytes()
    python = _python(client, place, within_s)
    result = execute(
        client,
        place.namespace,
        place.pod,
        (python, "-I", "-S", "-u", "-c", _LOADER, str(len(boot))),
        container=place.container,
        stdin=boot + body,
        hold=True,
        seconds=seconds,
        on_stderr=followed(progress),
    )
    return answered(result, place)


def _python(client: Client, place: Place, within_s: float) -> str:
    """The command that starts it; asked with a short question before everything is sent."""
    for python in PYTHONS:
        command = (python, "-I", "-S", "-c", "pass")
        try:
            execute(client, place.namespace, place.pod, command, container=place.container, seconds=within_s / 2)
        except ApiError as error:
            if error.code != 500 or python == PYTHONS[-1]:
                raise _told(error, place) from error
        else:
            return python
    raise AssertionError("the last one returns or raises")


def followed(progress: Callable[[str], None]) -> Callable[[bytes], None]:
    """Hands over whole lines that carry the mark."""
    rest = [b""]

    def heard(data: bytes) -> None:
        *lines, rest[0] = (rest[0] + data).split(b"\n")
        for line in lines:
            if line.startswith(MARK):
                progress(line[1:].decode(errors="replace"))

    return heard


def _said(stderr: bytes) -> str:
    """The last line that is no progress."""
    lines = [line for line in stderr.splitlines() if line.strip() and not line.startswith(MARK)]
    return lines[-1].decode(errors="replace").removeprefix("unslow: ") if lines else ""


def message(request: dict[str, object], seconds: float, *, with_sampler: bool) -> bytes:
    """Length, header, then the files one after another, each compressed."""
    files = {"program": msgspec.json.encode({"main": _text(cluster_inside_main.__file__), "sources": sources()})}
    if with_sampler:
        files["launcher"] = Path(sampler_launch.__file__).read_bytes()
        files["py-spy"] = sampler.find_py_spy().read_bytes()
    packed = {name: zlib.compress(content, 1) for name, content in files.items()}
    header = msgspec.json.encode(
        {"seconds": seconds, "request": request, "files": [(name, len(content)) for name, content in packed.items()]}
    )
    return f"{len(header):010d}".encode() + header + b"".join(packed.values())


def sources() -> dict[str, str]:
    """Text of all modules that run inside, by name; of those that cannot, nothing."""
    root = Path(unslow.__file__).parent
    paths = [*root.glob("*.py"), *(path for package in PACKAGES for path in (root / package).rglob("*.py"))]
    found = {}
    for path in sorted(paths):
        parts = path.relative_to(root.parent).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        outside = path.name.startswith("cluster") and path.parent.name == "collect" and path.name not in INSIDE_TOO
        if not outside:
            found[name] = "" if name in NOT_INSIDE else _text(str(path))
    return found


def answered(result: Result, place: Place) -> Evidence:
    if result.timed_out or result.code is None:
        raise Lost(
            f"an answer from inside {place.pod} in time", "the container is starved of CPU: give a longer --budget"
        )
    if result.code == _TOO_OLD:
        raise NoPython(_said(result.stderr), _BRINGS)
    if not result.ok:
        said = _said(result.stderr) or f"exit code {result.code}"
        raise Lost(f"readers inside {place.pod}: {said}"[:300], "try again; else allow a debug container")
    try:
        return msgspec.json.decode(result.stdout, type=Evidence)
    except msgspec.ValidationError:
        pass
    except msgspec.DecodeError as error:
        raise Lost(f"a whole answer from inside {place.pod}", "the exec was cut off: try again") from error
    problem = msgspec.json.decode(result.stdout, type=Problem)
    raise Unavailable(f"inside {place.pod}: {problem.error}", problem.remedy)


def _told(error: ApiError, place: Place) -> Unavailable:
    if error.code == 403:
        return Unavailable(
            f"permission to exec in pods of namespace {place.namespace}",
            f"allow verb create (and get) on pods/exec in namespace {place.namespace}",
        )
    if error.code == 500 and "not found" in error.message:
        return NoPython(f"Python in the image of container {place.container or place.pod}", _BRINGS)
    return Unavailable(error.missing, error.remedy)


def _text(path: str) -> str:
    return Path(path).read_text()


def _same_machine(architecture: str) -> bool:
    """py-spy is sent as a program: it must be of the node's kind."""
    ours = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return not architecture or architecture == ours
