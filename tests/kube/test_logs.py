from __future__ import annotations

from tests.kube.api_server import Answer, answering
from unslow.kube.logs import lines, log_lines


def test_lines_end_at_newlines_and_nowhere_else() -> None:
    text = "one\u2028still one\x0b\x85\ntwo\rtwo\n".encode()
    pieces = [text[start : start + 3] for start in range(0, len(text), 3)]
    assert [line.decode() for line in lines(iter(pieces))] == ["one\u2028still one\x0b\x85", "two\rtwo"]


def test_times_and_bytes_that_are_no_text() -> None:
    body = b"2026-01-01T00:00:00.25Z hello\n2026-01-01T00:00:01Z \xff\xfe\nno time\n"
    with answering(lambda *_: Answer(body)) as client:
        found = list(log_lines(client, "shop", "a", "main"))
    assert [line.text for line in found] == ["hello", "\ufffd\ufffd", "no time"]
    assert found[1].at_s is not None
    assert found[0].at_s is not None
    assert found[1].at_s - found[0].at_s == 0.75
    assert found[2].at_s is None


def test_a_lost_file_is_no_log_line() -> None:
    body = b'failed to try resolving symlinks in path "/var/log/pods/x/0.log": no such file\n'
    with answering(lambda *_: Answer(body)) as client:
        assert list(log_lines(client, "shop", "a", "main")) == []
