"""The engine on ClickHouse: temporary tables of one session, over HTTP or any other way to send a statement."""

from __future__ import annotations

import base64
import http.client
import itertools
import re
import urllib.parse
import uuid
from collections.abc import Callable

import msgspec

from unslow.errors import BadUsage, CannotLook
from unslow.spans.dialect import CLICKHOUSE
from unslow.spans.session import Row

Send = Callable[[str], bytes]
"""Runs one statement in the session; the answer as one JSON list per line. CannotLook when it fails."""

SETTINGS = {
    "join_use_nulls": 1,
    "cast_keep_nullable": 1,
    "prefer_column_name_to_alias": 1,
    "transform_null_in": 0,
    "output_format_json_quote_64bit_integers": 0,
    "max_recursive_cte_evaluation_depth": 100_000,
    "enable_analyzer": 1,
}
"""What makes an unmatched join, a nullable column and an alias mean what they mean elsewhere."""
TIMEOUT_S = 600.0
MAX_ANSWER = 256 * 2**20
OTEL_TABLE = "otel_traces"

_OWN = re.compile(r"\bunslow_[a-z_]+\b")
_decode_row = msgspec.json.Decoder(list[str | int | float | None]).decode


class ClickHouseSession:
    """Tables are made under a new name each time, because a query may read what it replaces."""

    dialect = CLICKHOUSE

    def __init__(self, send: Send) -> None:
        self._send = send
        self._numbers = itertools.count(1)
        self._known: dict[str, str] = {}

    def create(self, name: str, select: str) -> None:
        made = f"{name}_{next(self._numbers)}"
        self._send(f"CREATE TEMPORARY TABLE {made} ENGINE = Memory AS {self._named(select)}")
        known = self._known.pop(name, None)
        self._known[name] = made
        if known is not None:
            self._send(f"DROP TEMPORARY TABLE {known}")

    def append(self, name: str, select: str) -> None:
        self._send(f"INSERT INTO {self._known[name]} {self._named(select)}")

    def remove(self, name: str, column: str, among: str) -> None:
        self.create(name, f"SELECT * FROM {name} WHERE {column} NOT IN ({among})")

    def rows(self, select: str) -> list[Row]:
        answer = self._send(f"{self._named(select)} FORMAT JSONCompactEachRow")
        return [tuple(_decode_row(line)) for line in answer.splitlines() if line]

    def close(self) -> None:
        for made in self._known.values():
            self._send(f"DROP TEMPORARY TABLE {made}")
        self._known.clear()

    def _named(self, select: str) -> str:
        return _OWN.sub(lambda found: self._known.get(found[0], found[0]), select)


class Address(msgspec.Struct, frozen=True):
    """What `clickhouse://USER:PASSWORD@HOST:PORT/DATABASE?table=otel_traces&secure=1` says."""

    host: str
    port: int
    database: str
    table: str
    secure: bool
    user: str
    password: str

    @classmethod
    def of(cls, url: str) -> Address:
        """BadUsage when it is no such URL."""
        try:
            parts = urllib.parse.urlsplit(url)
            options = dict(urllib.parse.parse_qsl(parts.query))
            secure = options.get("secure", "0") not in {"0", "false", ""}
            port = parts.port or (8443 if secure else 8123)
        except ValueError as error:
            raise BadUsage(f"{url!r} is no ClickHouse address", _FORM) from error
        if parts.scheme != "clickhouse" or not parts.hostname:
            raise BadUsage(f"{url!r} is no ClickHouse address", _FORM)
        return cls(
            parts.hostname,
            port,
            parts.path.strip("/") or "default",
            options.get("table", OTEL_TABLE),
            secure,
            urllib.parse.unquote(parts.username or "default"),
            urllib.parse.unquote(parts.password or ""),
        )


_FORM = "write it as clickhouse://USER:PASSWORD@HOST:8123/DATABASE?table=otel_traces"


def over_http(address: Address, timeout_s: float = TIMEOUT_S) -> Send:
    """Statements over the HTTP interface, in one session of the server."""
    settings = {
        "session_id": f"unslow-{uuid.uuid4()}",
        "session_timeout": 600,
        "database": address.database,
        "wait_end_of_query": 1,
        **SETTINGS,
    }
    path = "/?" + urllib.parse.urlencode(settings)
    secret = base64.b64encode(f"{address.user}:{address.password}".encode()).decode()
    kind = http.client.HTTPSConnection if address.secure else http.client.HTTPConnection

    def send(statement: str) -> bytes:
        connection = kind(address.host, address.port, timeout=timeout_s)
        try:
            connection.request("POST", path, statement.encode(), {"Authorization": f"Basic {secret}"})
            answer = connection.getresponse()
            body = answer.read(MAX_ANSWER + 1)
        except (OSError, http.client.HTTPException) as error:
            where = f"{address.host}:{address.port}"
            raise CannotLook(f"ClickHouse at {where} does not answer: {error}", "check the address") from error
        finally:
            connection.close()
        if answer.status != 200:
            raise CannotLook(
                f"ClickHouse refuses: {_first_line(body)}", "the login needs SELECT and CREATE TEMPORARY TABLE"
            )
        if len(body) > MAX_ANSWER:
            raise CannotLook("ClickHouse answers more than 256 MiB", "look at fewer spans")
        return body

    return send


def otel_view(table: str) -> str:
    """The canonical view over the table that the OpenTelemetry collector writes. BadUsage for no name of a table."""
    if not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)?", table):
        raise BadUsage(f"{table!r} is no name of a table", _FORM)
    # A LowCardinality text stays one through most functions, and what is made of it, too: cast it away at once.
    texts = ", ".join(
        f"CAST({column}, 'String') AS {name}_"
        for name, column in (
            ("trace_id", "TraceId"),
            ("span_id", "SpanId"),
            ("parent", "ParentSpanId"),
            ("service", "ServiceName"),
            ("span_name", "SpanName"),
            ("kind", "SpanKind"),
            ("status", "StatusCode"),
        )
    )
    kind = "lower(replaceRegexpOne(kind_, '^SPAN_KIND_', ''))"
    status = "lower(replaceRegexpOne(status_, '^STATUS_CODE_', ''))"
    known = "('server', 'client', 'internal', 'producer', 'consumer')"
    return f"""(SELECT trace_id_ AS trace_id, span_id_ AS span_id, nullIf(parent_, '') AS parent_span_id,
        service_ AS service, span_name_ AS name, if({kind} IN {known}, {kind}, 'unspecified') AS kind,
        toUnixTimestamp64Nano(Timestamp) AS start_ns, toInt64(Duration) AS duration_ns,
        multiIf({status} = 'error', 'error', {status} = 'ok', 'ok', 'unset') AS status
        FROM (SELECT {texts}, Timestamp, Duration FROM {table}) AS raw) AS source"""


def _first_line(body: bytes) -> str:
    return (body.decode("utf-8", "replace").splitlines() or ["no reason given"])[0][:300]
