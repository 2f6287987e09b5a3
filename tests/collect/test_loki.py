"""Loki, faked: a server that answers in the shape of Loki's documented HTTP API (labels, query_range of streams)."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest

from unslow.collect import loki
from unslow.collect.prom_login import Login
from unslow.errors import BadUsage, Unavailable
from unslow.evidence.window import Window

WINDOW = Window(start_s=1_700_000_000, end_s=1_700_003_600)
LABELS = ["container", "namespace", "pod"]
STREAMS: list[dict[str, object]] = [
    {
        "stream": {"namespace": "shop", "pod": "basket-7d-1", "container": "app"},
        "values": [
            ["1700000002000000000", "WARN slow query (812 ms): SELECT * FROM items WHERE id = 7"],
            [
                "1700000001000000000",
                "WARN slow query (610 ms): SELECT * FROM items WHERE id = 8",
                {"structuredMetadata": {}},
            ],
        ],
    },
    {
        "stream": {"namespace": "shop", "pod": "basket-7d-2", "container": "app"},
        "values": [["1700000001500000000", "LOG:  duration: 1500.5 ms  statement: SELECT count(*) FROM carts"]],
    },
]


class FakeLoki:
    def __init__(self) -> None:
        self.labels = LABELS
        self.streams: list[dict[str, object]] = STREAMS
        self.refusal: tuple[int, bytes] | None = None
        self.asked: list[tuple[str, dict[str, str], dict[str, str]]] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                query = {name: values[0] for name, values in parse_qs(parts.query).items()}
                outer.asked.append((parts.path, query, dict(self.headers)))
                status, body = outer.answer(parts.path)
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def answer(self, path: str) -> tuple[int, bytes]:
        if self.refusal:
            return self.refusal
        if path.endswith("/labels"):
            return 200, json.dumps({"status": "success", "data": self.labels}).encode()
        data = {"resultType": "streams", "result": self.streams, "stats": {"summary": {"totalLinesProcessed": 9}}}
        return 200, json.dumps({"status": "success", "data": data}).encode()


@pytest.fixture
def server() -> Iterator[FakeLoki]:
    made = FakeLoki()
    yield made
    made.server.shutdown()
    made.server.server_close()


def asked(server: FakeLoki, **headers: str) -> loki.Found:
    return loki.slow_log(server.url, Login(headers=headers), "shop", "basket", WINDOW)


def test_slow_statements_of_all_pods(server: FakeLoki) -> None:
    found = asked(server, **{"X-Scope-OrgID": "team"})
    log = found.log
    assert log.lines == 3
    assert not found.cut
    assert [(one.count, round(one.total_s, 3), round(one.max_s, 3)) for one in log.statements] == [
        (1, 1.5, 1.5),
        (2, 1.422, 0.812),
    ]
    assert "7" not in log.statements[1].text
    assert log.files == (f"{server.url} basket-7d-1", f"{server.url} basket-7d-2")
    path, query, headers = server.asked[-1]
    assert path == "/loki/api/v1/query_range"
    assert query["query"].startswith('{namespace="shop",pod=~"basket-.*"} |~ "(?i)(slow')
    assert (query["start"], query["end"]) == ("1700000000000000000", "1700003600000000000")
    assert (query["limit"], query["direction"]) == ("5000", "backward")
    assert headers["X-Scope-OrgID"] == "team"


def test_labels_of_the_opentelemetry_collector(server: FakeLoki) -> None:
    server.labels = ["service_name", "k8s_namespace_name", "k8s_pod_name"]
    assert asked(server).query.startswith('{k8s_namespace_name="shop",k8s_pod_name=~"basket-.*"}')


def test_nothing_slow_is_an_answer_and_a_full_one_is_marked(server: FakeLoki, monkeypatch: pytest.MonkeyPatch) -> None:
    server.streams = []
    assert asked(server).log.statements == ()
    server.streams = STREAMS
    monkeypatch.setattr(loki, "LIMIT", 3)
    assert asked(server).cut


@pytest.mark.parametrize(
    ("refusal", "said"),
    [
        ((401, b"no org id\n"), "not allowed in"),
        ((400, b"the query time range exceeds the limit\n"), "time range exceeds"),
        ((404, b"404 page not found\n"), "no query API there"),
        ((200, b"<html>"), "no Loki JSON"),
        ((502, b""), "it fails"),
    ],
)
def test_refusals_are_told_apart(server: FakeLoki, refusal: tuple[int, bytes], said: str) -> None:
    server.refusal = refusal
    with pytest.raises(Unavailable, match=said) as raised:
        asked(server)
    assert raised.value.missing.startswith("Loki at http://127.0.0.1")


def test_unusable_labels_and_addresses(server: FakeLoki) -> None:
    server.labels = ["filename", "job"]
    with pytest.raises(Unavailable, match="labels of namespace and pod"):
        asked(server)
    with pytest.raises(BadUsage, match="Loki address"):
        loki.slow_log("loki:3100", Login(), "shop", "basket", WINDOW)
