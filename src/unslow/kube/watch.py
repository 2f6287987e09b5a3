"""Changes of a list as they come, with our own copy, so that nothing is missed when the server forgets."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Generic, Literal, TypeVar

import msgspec

from unslow.errors import Unavailable
from unslow.kube.client import Client, Status
from unslow.kube.errors import Expired, Unreachable
from unslow.kube.logs import lines
from unslow.kube.meta import ListMeta, Meta

T = TypeVar("T")
_QUIET_S = 60.0


class Change(msgspec.Struct, Generic[T], frozen=True):
    kind: Literal["ADDED", "MODIFIED", "DELETED"]
    object: T


class _Line(msgspec.Struct, frozen=True):
    type: str
    object: msgspec.Raw


class _Named(msgspec.Struct, frozen=True):
    metadata: Meta = Meta()


class _Page(msgspec.Struct, frozen=True):
    metadata: ListMeta = ListMeta()
    items: list[msgspec.Raw] | None = None


class Watch(Generic[T]):
    """List, then follow. After 410 it lists anew and tells the difference, deletions too."""

    def __init__(self, client: Client, path: str, type_: type[T], parameters: dict[str, str] | None = None) -> None:
        self._client = client
        self._path = path
        self._decoder = msgspec.json.Decoder(type_)
        self._parameters = parameters or {}
        self._version = ""
        self._known: dict[str, tuple[str, T]] = {}
        self.relists = 0

    def changes(self, seconds: float) -> Iterator[Change[T]]:
        """Everything there is as ADDED, then what happens, for `seconds`. Raises `ApiError`, `Unreachable`."""
        ends = time.monotonic() + seconds
        yield from self._listed()
        while (left := ends - time.monotonic()) > 0:
            try:
                yield from self._followed(min(left, _QUIET_S), ends)
            except Expired:
                yield from self._listed()
            except Unreachable:
                if ends - time.monotonic() < 1.0:
                    return
                time.sleep(0.5)

    def _listed(self) -> Iterator[Change[T]]:
        self.relists += 1
        page = self._client.get(self._path, _Page, self._parameters)
        seen = set()
        for raw in page.items or ():
            seen.add(msgspec.json.decode(raw, type=_Named).metadata.uid)
            change = self._noted("MODIFIED", raw)
            if change is not None:
                yield change
        for uid in self._known.keys() - seen:
            yield Change("DELETED", self._known.pop(uid)[1])
        self._version = page.metadata.resource_version

    def _followed(self, seconds: float, ends: float) -> Iterator[Change[T]]:
        parameters: dict[str, Any] = {
            **self._parameters,
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._version,
            "timeoutSeconds": max(1, int(seconds)),
        }
        asked = f"watch {self._path}"
        with self._client.stream(self._path, parameters, asked=asked, quiet_s=seconds + 2.0) as pieces:
            for text in lines(pieces):
                if not text:
                    continue
                change = self._event(msgspec.json.decode(text, type=_Line), asked)
                if change is not None:
                    yield change
                if time.monotonic() > ends:
                    return

    def _event(self, line: _Line, asked: str) -> Change[T] | None:
        match line.type:
            case "ERROR":
                status = msgspec.json.decode(line.object, type=Status)
                if status.code == 410:
                    raise Expired(410, status.reason, status.message, asked=asked)
                raise Unavailable(f"{asked}: {status.message}"[:300], "try again")
            case "BOOKMARK":
                self._version = msgspec.json.decode(line.object, type=_Named).metadata.resource_version
                return None
            case "DELETED":
                metadata = msgspec.json.decode(line.object, type=_Named).metadata
                self._version = metadata.resource_version
                self._known.pop(metadata.uid, None)
                return Change("DELETED", self._decoder.decode(line.object))
        return self._noted("MODIFIED", line.object)

    def _noted(self, kind: Literal["MODIFIED"], raw: msgspec.Raw) -> Change[T] | None:
        """None when this very version is known already."""
        metadata = msgspec.json.decode(raw, type=_Named).metadata
        known = self._known.get(metadata.uid)
        if known is not None and known[0] == metadata.resource_version:
            return None
        item = self._decoder.decode(raw)
        self._known[metadata.uid] = (metadata.resource_version, item)
        self._version = metadata.resource_version
        return Change(kind if known else "ADDED", item)
