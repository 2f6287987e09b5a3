"""Log lines of a container as the kubelet has them: bytes split at newlines and nowhere else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime

import msgspec

from unslow.kube.client import Client

_BROKEN = (b"failed to try resolving symlinks in path", b"unable to retrieve container logs for ")
"""What the kubelet sends with status 200 when the file is gone."""
_STAMP = re.compile(rb"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d) ")
_LONGEST_LINE = 1024 * 1024


class Line(msgspec.Struct, frozen=True):
    at_s: float | None
    text: str


def log_lines(
    client: Client,
    namespace: str,
    pod: str,
    container: str,
    *,
    previous: bool = False,
    since_s: float | None = None,
    tail: int | None = None,
    most_bytes: int = 8 * 1024 * 1024,
) -> Iterator[Line]:
    """Lines with their times, oldest first; `previous` is the container's last run. Raises `ApiError`."""
    parameters: dict[str, str | int] = {"container": container, "timestamps": "true", "limitBytes": most_bytes}
    if previous:
        parameters["previous"] = "true"
    if since_s is not None:
        parameters["sinceTime"] = datetime.fromtimestamp(since_s).astimezone().isoformat()
    if tail is not None:
        parameters["tailLines"] = tail
    path = f"/api/v1/namespaces/{namespace}/pods/{pod}/log"
    with client.stream(path, parameters, asked=f"read logs of {namespace}/{pod}", quiet_s=10.0) as pieces:
        for line in lines(pieces):
            if not line.startswith(_BROKEN):
                yield _parsed(line)


def lines(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Split at newlines only; an endless line is cut."""
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        yield from whole
        if len(rest) > _LONGEST_LINE:
            rest = rest[:_LONGEST_LINE]
    if rest:
        yield rest


def _parsed(line: bytes) -> Line:
    stamp = _STAMP.match(line)
    if stamp is None:
        return Line(None, line.decode(errors="replace"))
    whole, fraction, zone = stamp.groups()
    moment = datetime.fromisoformat((whole + zone).decode())
    return Line(moment.timestamp() + float(fraction or 0), line[stamp.end() :].decode(errors="replace"))
