"""X-Ray segment documents as BatchGetTraces answers them."""

from __future__ import annotations

import json
from pathlib import Path

from unslow.collect.spans import read_body, read_spans

START = 1_700_000_000.123456


def document(**more: object) -> str:
    return json.dumps(
        {
            "id": "70de5b6f19ff9a0a",
            "name": "shop",
            "start_time": START,
            "end_time": START + 0.5,
            "trace_id": "1-581cf771-a006649127e371903a2de979",
            "http": {
                "request": {"method": "GET", "url": "https://shop.test/items/7?key=secret"},
                "response": {"status": 200},
            },
            "subsegments": [
                {
                    "id": "53995c3f42cd8ad8",
                    "name": "stock",
                    "start_time": START + 0.1,
                    "end_time": START + 0.3,
                    "namespace": "remote",
                    "fault": True,
                    "subsegments": [{"id": "a1", "name": "parse", "start_time": START + 0.15, "end_time": START + 0.2}],
                }
            ],
            **more,
        }
    )


def answer(*documents: str) -> bytes:
    segments = [{"Id": str(number), "Document": text} for number, text in enumerate(documents)]
    trace = {"Id": "1-581cf771-a006649127e371903a2de979", "Duration": 0.5, "Segments": segments}
    return json.dumps({"Traces": [trace], "UnprocessedTraceIds": []}).encode()


def test_segments_and_subsegments_are_spans_of_one_tree() -> None:
    found = read_body(answer(document()), "answer")
    shop, stock, parse = found.spans
    assert found.format == "X-Ray traces"
    assert (shop.service, shop.name, shop.kind, shop.parent_span_id) == ("shop", "GET /items/7", "server", None)
    assert (stock.service, stock.name, stock.kind, stock.status) == ("shop", "stock", "client", "error")
    assert (parse.parent_span_id, parse.kind) == (stock.span_id, "internal")
    assert shop.start_ns == 1_700_000_000_123_456_000
    assert stock.duration_ns == 200_000_000
    assert ("http.url", "https://shop.test/items/7") in shop.attributes


def test_the_segment_of_a_called_service_hangs_below_the_call() -> None:
    called = json.dumps(
        {
            "id": "b2",
            "parent_id": "53995c3f42cd8ad8",
            "name": "stock",
            "trace_id": "1-581cf771-a006649127e371903a2de979",
            "start_time": START + 0.12,
            "end_time": START + 0.28,
        }
    )
    found = {one.span_id: one for one in read_body(answer(document(), called), "answer").spans}
    assert (found["b2"].service, found["b2"].parent_span_id) == ("stock", "53995c3f42cd8ad8")


def test_what_is_not_over_or_not_readable_is_counted() -> None:
    unfinished = json.dumps({"id": "c", "name": "shop", "trace_id": "t", "start_time": START, "in_progress": True})
    found = read_body(answer(document(), unfinished, "{no json", json.dumps({"id": 7})), "answer")
    assert len(found.spans) == 3
    assert dict(found.excluded) == {"still in progress": 1, "unreadable record": 2} or dict(found.excluded) == {
        "still in progress": 1,
        "unreadable record": 1,
        "no id": 1,
    }


def test_bare_documents_one_a_line(tmp_path: Path) -> None:
    (tmp_path / "segments.json").write_text(document() + "\n" + document(id="d", subsegments=[]) + "\n")
    found = read_spans(tmp_path / "segments.json")
    assert (len(found.spans), found.format) == (4, "X-Ray segments, one per line")
