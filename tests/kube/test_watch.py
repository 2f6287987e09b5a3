from __future__ import annotations

import json

import msgspec

from tests.kube.api_server import Answer, answering
from unslow.kube.meta import Meta
from unslow.kube.watch import Watch


class Thing(msgspec.Struct):
    metadata: Meta


def thing(name: str, version: int) -> dict[str, object]:
    return {"metadata": {"name": name, "uid": f"uid-{name}", "resourceVersion": str(version)}}


def stream(*events: tuple[str, object]) -> Answer:
    return Answer(b"".join(json.dumps({"type": kind, "object": item}).encode() + b"\n" for kind, item in events))


def test_after_410_the_list_is_compared_so_that_deletions_are_told() -> None:
    lists = [
        Answer({"metadata": {"resourceVersion": "10"}, "items": [thing("a", 5), thing("b", 6)]}),
        Answer({"metadata": {"resourceVersion": "30"}, "items": [thing("a", 21)]}),
    ]
    streams = [stream(("ERROR", {"code": 410, "reason": "Expired"})), stream(("ADDED", thing("c", 31)))]
    versions: list[tuple[str, str | None]] = []

    def handler(path: str, query: dict[str, str], _: object) -> Answer:
        if "watch" not in query:
            return lists.pop(0)
        versions.append((query["resourceVersion"], query.get("allowWatchBookmarks")))
        return streams.pop(0)

    with answering(handler) as client:
        watch = Watch(client, "/things", Thing)
        told = []
        for change in watch.changes(5.0):
            told.append((change.kind, change.object.metadata.name))
            if change.object.metadata.name == "c":
                break
    assert told == [("ADDED", "a"), ("ADDED", "b"), ("MODIFIED", "a"), ("DELETED", "b"), ("ADDED", "c")]
    assert versions == [("10", "true"), ("30", "true")]
    assert watch.relists == 2


def test_a_bookmark_moves_the_version_on() -> None:
    streams = [
        stream(("BOOKMARK", {"metadata": {"resourceVersion": "99"}})),
        stream(("ADDED", thing("a", 100))),
    ]
    versions: list[str] = []

    def handler(path: str, query: dict[str, str], _: object) -> Answer:
        if "watch" not in query:
            return Answer({"metadata": {"resourceVersion": "1"}, "items": []})
        versions.append(query["resourceVersion"])
        return streams.pop(0)

    with answering(handler) as client:
        next(iter(Watch(client, "/things", Thing).changes(5.0)))
    assert versions == ["1", "99"]
