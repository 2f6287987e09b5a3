from __future__ import annotations

import http.client
import socket
import time
from pathlib import Path

import msgspec
import pytest

from tests.kube.api_server import Answer, answering, status
from unslow.kube.client import Client
from unslow.kube.config import Access, ExecPlugin, Impersonation
from unslow.kube.errors import ApiError, Conflict, Unreachable
from unslow.kube.events import events
from unslow.kube.meta import Meta


class Named(msgspec.Struct):
    metadata: Meta


def named(*names: str, more: str = "", **fields: object) -> Answer:
    items = [{"metadata": {"name": name}, **fields} for name in names]
    return Answer({"items": items, "metadata": {"continue": more}})


def test_pages_are_followed() -> None:
    def handler(path: str, query: dict[str, str], _: object) -> Answer:
        assert query["limit"] == "2"
        return named("c") if query.get("continue") == "more" else named("a", "b", more="more")

    with answering(handler) as client:
        assert [one.metadata.name for one in client.items("/things", Named, page=2)] == ["a", "b", "c"]
        assert client.requests == 2


def test_an_expired_page_is_answered_by_asking_for_the_whole_list() -> None:
    def handler(path: str, query: dict[str, str], _: object) -> Answer:
        if "continue" in query:
            return status(410, "Expired", "the provided continue parameter is too old")
        return named("a", "b", more="old") if "limit" in query else named("a", "b", "c")

    with answering(handler) as client:
        assert [one.metadata.name for one in client.items("/things", Named, page=2)] == ["a", "b", "c"]


def test_one_damaged_object_does_not_spoil_the_list() -> None:
    body = {"items": [{"metadata": {"name": "good"}}, {"metadata": {"name": 5}}]}
    with answering(lambda *_: Answer(body)) as client:
        assert [one.metadata.name for one in client.items("/things", Named)] == ["good"]
        assert client.damaged == 1


def test_a_list_may_be_null() -> None:
    with answering(lambda *_: Answer({"items": None})) as client:
        assert list(client.items("/things", Named)) == []


def test_events_of_both_apis_are_read_with_null_times_and_messages() -> None:
    body = {
        "items": [
            {
                "metadata": {"name": "old", "creationTimestamp": "2026-01-01T00:00:00Z"},
                "involvedObject": {"kind": "Pod", "name": "a"},
                "eventTime": None,
                "series": None,
                "message": None,
                "firstTimestamp": "2026-01-01T00:00:01Z",
                "lastTimestamp": "2026-01-01T00:00:09Z",
                "count": 7,
            },
            {
                "metadata": {"name": "new"},
                "involvedObject": {"kind": "Pod", "name": "b"},
                "eventTime": "2026-01-01T00:00:05.250000Z",
                "firstTimestamp": None,
                "lastTimestamp": None,
                "series": {"count": 3, "lastObservedTime": "2026-01-01T00:00:20Z"},
            },
        ]
    }
    with answering(lambda *_: Answer(body)) as client:
        old, new = events(client, "shop")
    assert (old.times, old.last_s - old.first_s, old.message) == (7, 8.0, None)
    assert (new.times, new.last_s - new.first_s) == (3, 14.75)


def test_impersonation_is_sent_with_every_group() -> None:
    seen: list[http.client.HTTPMessage] = []

    def handler(path: str, query: dict[str, str], headers: http.client.HTTPMessage) -> Answer:
        seen.append(headers)
        return Answer({})

    with answering(handler, impersonate=Impersonation(user="bob", groups=("a", "b"))) as client:
        client.get("/x", dict)
    assert seen[0].get_all("Impersonate-Group") == ["a", "b"]
    assert seen[0]["Impersonate-User"] == "bob"


def test_throttled_requests_wait_as_long_as_the_server_says(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    answers = [Answer({}, 429, {"Retry-After": "2"}), Answer({}, 429, {"Retry-After": "1"}), Answer({"done": True})]
    with answering(lambda *_: answers.pop(0)) as client:
        assert client.get("/x", dict) == {"done": True}
    assert pauses == [2.0, 1.0]


def test_nobody_waits_longer_than_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(lambda *_: Answer({"message": "busy"}, 429, {"Retry-After": "600"})) as client:
        with pytest.raises(ApiError) as caught:
            client.get("/x", dict)
        assert client.requests == 1
    assert caught.value.code == 429


def test_a_change_is_not_repeated_after_an_error_of_the_server() -> None:
    with answering(lambda *_: status(503, "ServiceUnavailable")) as client:
        with pytest.raises(ApiError):
            client.post("/x", {}, dict)
        assert client.requests == 1


def test_a_refusal_names_what_would_allow_it() -> None:
    refused = status(403, "Forbidden", 'pods is forbidden: User "eve" cannot list')
    with answering(lambda *_: refused) as client, pytest.raises(ApiError) as caught:
        list(client.items("/api/v1/pods", Named, asked="list pods in the whole cluster"))
    assert "list pods in the whole cluster" in caught.value.remedy
    assert "eve" in caught.value.missing


def test_an_unknown_path_answers_in_plain_text() -> None:
    with answering(lambda *_: Answer(b"404 page not found\n", 404)) as client, pytest.raises(ApiError) as caught:
        client.get("/apis/nope", dict)
    assert caught.value.code == 404


def test_a_conflict_is_an_error_of_its_own_and_long_messages_are_cut() -> None:
    with answering(lambda *_: status(409, "Conflict", "x" * 5000)) as client, pytest.raises(Conflict) as caught:
        client.patch("/x", {}, dict)
    assert len(caught.value.missing) < 600


def test_patches_are_strict() -> None:
    seen: list[dict[str, str]] = []

    def handler(path: str, query: dict[str, str], _: object) -> Answer:
        seen.append(query)
        return Answer({})

    with answering(handler) as client:
        client.patch("/x", {}, dict, dry_run=True)
    assert seen == [{"fieldValidation": "Strict", "dryRun": "All"}]


def test_warnings_and_audit_ids_are_kept() -> None:
    headers = {"Warning": '299 - "would violate PodSecurity"', "Audit-Id": "abc"}
    with answering(lambda *_: Answer({}, headers=headers)) as client:
        client.get("/x", dict)
        client.get("/x", dict)
        assert client.warnings == ["would violate PodSecurity"]
        assert client.audit_id == "abc"


def test_an_answer_that_is_no_json_is_an_error_not_a_crash() -> None:
    page = Answer(b"<html>log in</html>")
    with answering(lambda *_: page) as client, pytest.raises(ApiError, match="not what was expected"):
        client.get("/x", Named)


def test_no_server() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with Client(Access(server=f"http://127.0.0.1:{port}")) as client, pytest.raises(Unreachable):
        client.get("/x", dict)


def test_a_server_that_never_answers_costs_no_more_than_the_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        access = Access(server=f"http://127.0.0.1:{listener.getsockname()[1]}")
        with Client(access, deadline=time.monotonic() + 0.3) as client:
            with pytest.raises(Unreachable, match="in time"):
                client.get("/x", dict)
            with pytest.raises(Unreachable):
                client.get("/x", dict)


def test_a_kept_connection_that_the_server_closed_is_replaced() -> None:
    with answering(lambda *_: Answer({}, headers={"Connection": "close"})) as client:
        for _ in range(3):
            client.get("/x", dict)


def test_a_token_file_is_read_again_when_it_was_rotated(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("old")

    def handler(path: str, query: dict[str, str], headers: http.client.HTTPMessage) -> Answer:
        if headers["Authorization"] == "Bearer new":
            return Answer({"ok": True})
        token.write_text("new")
        return status(401, "Unauthorized")

    with answering(handler, token_file=token) as client:
        assert client.get("/x", dict) == {"ok": True}


def test_an_exec_plugin_of_the_current_version_logs_in_once(tmp_path: Path) -> None:
    plugin = tmp_path / "login"
    plugin.write_text(
        "#!/bin/sh\necho run >> " + str(tmp_path / "runs") + "\n"
        """echo '{"kind":"ExecCredential","status":{"token":"fresh"}}'\n"""
    )
    plugin.chmod(0o755)
    seen: list[str | None] = []

    def handler(path: str, query: dict[str, str], headers: http.client.HTTPMessage) -> Answer:
        seen.append(headers["Authorization"])
        return Answer({})

    with answering(handler, plugin=ExecPlugin(command=str(plugin))) as client:
        client.get("/x", dict)
        client.get("/x", dict)
    assert seen == ["Bearer fresh", "Bearer fresh"]
    assert (tmp_path / "runs").read_text() == "run\n"


def test_a_stream_that_was_read_to_its_end_leaves_its_connection_and_another_does_not() -> None:
    with answering(lambda path, query, headers: Answer(b"x" * 200_000)) as client:
        kept = []
        for whole in (True, True, False, True):
            with client.stream("/log") as pieces:
                read = sum(map(len, pieces)) if whole else len(next(pieces))
            assert read == (200_000 if whole else min(read, 199_999))
            kept.append(len(client.connections._idle))
        assert kept == [1, 1, 0, 1]
