"""Stacks of well-known libraries get the kind that a person would give them."""

from __future__ import annotations

import pytest

from unslow.evidence.profile import Frame, Profile, Sample
from unslow.measure.stacks import (
    breakdown,
    caller_in_app,
    has_retry,
    in_request,
    place_of,
    request_seconds,
    samples_of_route,
)

SITE = "/srv/venv/lib/python3.12/site-packages/"
STD = "/usr/lib/python3.12/"

WORKER = [
    ("ThreadWorker.handle", SITE + "gunicorn/workers/gthread.py"),
    ("ThreadWorker.handle_request", SITE + "gunicorn/workers/gthread.py"),
    ("Flask.wsgi_app", SITE + "flask/app.py"),
    ("Flask.dispatch_request", SITE + "flask/app.py"),
]
VIEW = ("books", "/srv/library/api/views.py")


def frames(*named: tuple[str, str], calls: str = "") -> list[Frame]:
    stack = [Frame(function=function, file=file, line=number) for number, (function, file) in enumerate(named, 1)]
    return [*stack[:-1], Frame(function=stack[-1].function, file=stack[-1].file, line=99, calls=calls)]


def lib(path: str, *functions: str) -> list[tuple[str, str]]:
    return [(function, SITE + path) for function in functions]


def std(path: str, *functions: str) -> list[tuple[str, str]]:
    return [(function, STD + path) for function in functions]


QUERY_CHAIN = [
    *lib("sqlalchemy/orm/session.py", "Session.execute"),
    *lib("sqlalchemy/engine/base.py", "_execute"),
]
CHECKOUT = [
    *lib("sqlalchemy/pool/base.py", "_ConnectionFairy._checkout"),
    *lib("sqlalchemy/pool/impl.py", "_do_get"),
]
CREATE = lib("sqlalchemy/pool/base.py", "_ConnectionRecord.__connect")
SOCKET = std("socket.py", "SocketIO.readinto")

CASES = {
    "application code": ([], "code"),
    "psycopg2 under sqlalchemy": (
        [*QUERY_CHAIN, *lib("sqlalchemy/engine/default.py", "DefaultDialect.do_execute")],
        "query",
    ),
    "sqlalchemy's own work": (QUERY_CHAIN, "orm"),
    "waiting for a pooled connection": (
        [*CHECKOUT, *lib("sqlalchemy/util/queue.py", "Queue.get"), *std("threading.py", "Condition.wait")],
        "pool",
    ),
    "connecting inside a check-out": (
        [*CHECKOUT, *CREATE, *lib("psycopg2/__init__.py", "connect")],
        "connect",
    ),
    "connecting with a C driver": (
        [*CHECKOUT, *CREATE, *lib("sqlalchemy/engine/default.py", "connect")],
        "connect",
    ),
    "pre-ping": ([*CHECKOUT, *lib("sqlalchemy/engine/default.py", "DefaultDialect.do_ping")], "query"),
    "psycopg query": (
        lib("psycopg/cursor.py", "Cursor.execute") + lib("psycopg/connection.py", "Connection.wait"),
        "query",
    ),
    "psycopg connect": (
        lib("psycopg/connection.py", "Connection.connect") + lib("psycopg/waiting.py", "wait_conn"),
        "connect",
    ),
    "psycopg notifies": (
        lib("psycopg/connection.py", "Connection.notifies", "Connection.wait"),
        "wait",
    ),
    "psycopg pool": (
        [
            *lib("psycopg_pool/pool.py", "ConnectionPool.getconn", "WaitingClient.wait"),
            *std("threading.py", "wait"),
        ],
        "pool",
    ),
    "pymysql query": (
        [
            *lib("pymysql/cursors.py", "Cursor.execute"),
            *lib("pymysql/connections.py", "_read_bytes"),
            *SOCKET,
        ],
        "query",
    ),
    "pymysql connect": (
        [*lib("pymysql/connections.py", "Connection.__init__", "Connection.connect"), *SOCKET],
        "connect",
    ),
    "mysqlclient": (lib("MySQLdb/cursors.py", "BaseCursor.execute", "_query"), "query"),
    "pymongo": (
        [*lib("pymongo/collection.py", "find_one"), *lib("pymongo/network.py", "receive_message")],
        "query",
    ),
    "redis command": (
        [*lib("redis/commands/core.py", "get"), *lib("redis/_parsers/socket.py", "_read_from_socket")],
        "redis",
    ),
    "redis waiting by design": (
        [
            *lib("redis/commands/core.py", "ListCommands.blpop"),
            *lib("redis/client.py", "Redis.execute_command"),
            *SOCKET,
        ],
        "wait",
    ),
    "redis pool": (
        [
            *lib("redis/connection.py", "BlockingConnectionPool.get_connection"),
            *std("queue.py", "Queue.get"),
            *std("threading.py", "wait"),
        ],
        "pool",
    ),
    "distributed lock": (lib("redis/lock.py", "Lock.acquire"), "lock"),
    "memcached": ([*lib("pymemcache/client/base.py", "Client.get", "_readline")], "redis"),
    "requests": (
        [
            *lib("requests/api.py", "get"),
            *lib("urllib3/connectionpool.py", "urlopen"),
            *std("http/client.py", "begin"),
            *SOCKET,
        ],
        "http",
    ),
    "urllib.request": (
        [*std("urllib/request.py", "urlopen"), *std("http/client.py", "getresponse"), *SOCKET],
        "http",
    ),
    "httpx": (
        [
            *lib("httpx2/_client.py", "Client.get"),
            *lib("httpcore2/_sync/http11.py", "receive"),
            *std("ssl.py", "read"),
        ],
        "http",
    ),
    "grpc": ([*lib("grpc/_channel.py", "_blocking"), *std("threading.py", "Condition.wait")], "http"),
    "dns inside http": (
        [*lib("urllib3/util/connection.py", "create_connection"), *std("socket.py", "getaddrinfo")],
        "dns",
    ),
    "retry pause": (
        [*lib("urllib3/connectionpool.py", "urlopen"), *lib("urllib3/util/retry.py", "Retry.sleep")],
        "retry",
    ),
    "tenacity pause": (lib("tenacity/nap.py", "sleep"), "retry"),
    "client library with a socket of its own": ([*lib("acmepay/client.py", "charge"), *SOCKET], "http"),
    "file handler": (
        std(
            "logging/__init__.py",
            "Logger.info",
            "Logger._log",
            "Logger.handle",
            "Handler.handle",
            "StreamHandler.emit",
        ),
        "log",
    ),
    "logging over http": (
        [
            *std("logging/__init__.py", "Logger.info", "Handler.handle"),
            *std("logging/handlers.py", "HTTPHandler.emit"),
            *std("http/client.py", "send"),
        ],
        "log",
    ),
    "request body": (
        [*lib("werkzeug/wrappers/request.py", "get_data"), *lib("gunicorn/http/body.py", "Body.read")],
        "client_io",
    ),
    "queue": ([*std("queue.py", "Queue.get"), *std("threading.py", "Condition.wait")], "wait"),
    "event": (std("threading.py", "Event.wait", "Condition.wait"), "wait"),
    "select": (std("selectors.py", "EpollSelector.select"), "wait"),
    "template library": (lib("jinja2/environment.py", "Template.render"), "template"),
    "compiled template": ([("root", "/srv/library/templates/list.html")], "template"),
    "serialiser": (std("json/encoder.py", "JSONEncoder.encode"), "library"),
    "installed library": (lib("marshmallow/schema.py", "Schema.dump"), "library"),
}


@pytest.mark.parametrize(("below", "kind"), CASES.values(), ids=CASES)
def test_kind(below: list[tuple[str, str]], kind: str) -> None:
    assert place_of(frames(*WORKER, VIEW, *below)).kind == kind


CALLED = {
    "time.sleep": "sleep",
    "queue.SimpleQueue.get": "wait",
    "threading.Lock.acquire": "lock",
    "cursor.execute": "query",
    "psycopg2.connection.cursor.execute": "query",
    "psycopg2.connect": "connect",
    "sqlite3.Connection.execute": "query",
    "socket.getaddrinfo": "dns",
    "re.Pattern.search": "library",
    "": "code",
}


@pytest.mark.parametrize(("calls", "kind"), CALLED.items())
def test_kind_of_a_line_that_calls_c_code(calls: str, kind: str) -> None:
    assert place_of(frames(*WORKER, VIEW, calls=calls)).kind == kind


@pytest.mark.parametrize(("state", "kind"), [("lock", "lock"), ("sleep", "sleep"), ("run", "code"), ("io", "code")])
def test_state_tells_what_leaves_no_frame(state: str, kind: str) -> None:
    assert place_of(frames(*WORKER, VIEW), state).kind == kind


def test_running_on_the_line_of_a_lock_is_code() -> None:
    assert place_of(frames(*WORKER, VIEW, calls="threading.Lock.acquire"), "run").kind == "code"


def test_pause_of_a_hand_written_retry_is_no_sleep() -> None:
    paused = frames(*WORKER, VIEW, ("call_with_retry", "/srv/library/net.py"), calls="time.sleep")
    assert place_of(paused).kind == "retry"
    assert has_retry(paused)
    assert not has_retry(frames(*WORKER, VIEW, calls="time.sleep"))


def test_urllib3_trying_again_is_a_retry() -> None:
    once = lib("urllib3/connectionpool.py", "HTTPConnectionPool.urlopen")
    assert not has_retry(frames(*WORKER, VIEW, *once))
    assert has_retry(frames(*WORKER, VIEW, *once, *once))


def test_library_place_names_the_library_function_and_its_caller() -> None:
    encode = std("json/__init__.py", "dumps") + std("json/encoder.py", "JSONEncoder.encode")
    assert place_of(frames(*WORKER, VIEW, *encode)).where == "json.dumps called from books (api/views.py)"


def test_serialising_the_view_s_result_is_no_framework_time() -> None:
    finalise = [*WORKER[:3], ("Flask.finalize_request", SITE + "flask/app.py")]
    encode = std("json/encoder.py", "JSONEncoder.encode")
    assert place_of(frames(*finalise, *encode)).kind == "library"
    assert place_of(frames(*finalise, *std("email/message.py", "get"))).kind == "server"


def test_frameworks_own_time_is_server() -> None:
    assert place_of(frames(*WORKER)).kind == "server"


def test_reading_the_request_ahead_is_client_io() -> None:
    waiting = [WORKER[0], ("TConn.wait_for_data", SITE + "gunicorn/workers/gthread.py")]
    assert place_of(frames(*waiting)).kind == "client_io"
    assert not in_request(frames(*waiting))


def test_application_folder_named_like_a_library_is_application() -> None:
    assert place_of(frames(*WORKER, ("get", "/srv/library/redis/client.py"))).kind == "code"


@pytest.mark.parametrize(
    "entry",
    [
        ("SyncWorker.handle_request", SITE + "gunicorn/workers/sync.py"),
        ("WSGIRequestHandler.run_wsgi", SITE + "werkzeug/serving.py"),
        ("WSGITask.execute", SITE + "waitress/task.py"),
        ("Flask.__call__", SITE + "flask/app.py"),
        ("WSGIHandler.__call__", SITE + "django/core/handlers/wsgi.py"),
    ],
)
def test_entries_into_a_request(entry: tuple[str, str]) -> None:
    assert in_request(frames(("main", "/srv/library/run.py"), entry))


def test_idle_worker_is_not_in_a_request() -> None:
    assert not in_request(frames(*std("threading.py", "Thread.run"), *std("concurrent/futures/thread.py", "_worker")))


def test_caller_is_the_innermost_application_frame() -> None:
    caller = caller_in_app(frames(*WORKER, VIEW, ("load", "/srv/library/store.py"), *lib("redis/client.py", "get")))
    assert caller is not None
    assert caller.function == "load"


def profile_of(*samples: tuple[list[Frame], str, float, str], route: str) -> Profile:
    known: list[Frame] = []
    folded = []
    for stack, state, seconds, of_route in samples:
        numbers = tuple(range(len(known), len(known) + len(stack)))
        known.extend(stack)
        folded.append(Sample(stack=numbers, state=state, seconds=seconds, route=of_route))  # type: ignore[arg-type]
    return Profile(frames=tuple(known), samples=tuple(folded), seconds=10.0, rate_hz=50.0, readings=500, route=route)


def test_breakdown_sums_to_the_target_s_time_in_requests() -> None:
    books, cart = "books (api/views.py)", "cart (api/views.py)"
    query = lib("psycopg/connection.py", "Connection.wait")
    profile = profile_of(
        (frames(*WORKER, VIEW, *query), "io", 3.0, books),
        (frames(*WORKER, VIEW), "run", 1.0, books),
        (frames(*WORKER, VIEW), "gil", 0.5, books),
        (frames(*WORKER, ("cart", VIEW[1])), "run", 4.5, cart),
        (frames(*WORKER[:3]), "run", 2.0, ""),
        (frames(*std("threading.py", "wait")), "lock", 70.0, ""),
        route=books,
    )
    places = breakdown(profile)
    assert places["query", "books (api/views.py)"] == {"io": 3.0}
    assert places["code", "books (api/views.py)"] == {"run": 1.0, "gil": 0.5}
    # Half of the time that has a route is the target's, so half of what has none is taken to be.
    assert places["server", "flask.app.Flask.wsgi_app"] == {"run": 1.0}
    assert request_seconds(profile) == pytest.approx(sum(sum(states.values()) for states in places.values()))


def test_without_a_known_route_all_requests_count() -> None:
    profile = profile_of((frames(*WORKER, VIEW), "run", 1.0, "a"), (frames(*WORKER, VIEW), "run", 2.0, "b"), route="")
    assert sum(sample.seconds for sample in samples_of_route(profile)) == 3.0
