"""Which library a stack frame belongs to, and what kind of work that library does."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal

from unslow.evidence.profile import Frame

KnownKind = Literal[
    "dns",
    "connect",
    "pool",
    "query",
    "orm",
    "redis",
    "http",
    "retry",
    "log",
    "client_io",
    "program",
    "template",
]
"""Kinds of work that a library frame tells by itself."""
GenericKind = Literal["waits", "socket", "server", ""]
"""Kinds whose meaning is their caller's; empty: the library is not known."""

INSTALLED = re.compile(r".*/(?:site|dist)-packages/(.+)$")
STANDARD_DIRECTORY = re.compile(r"/lib(?:64)?/(?:python|pypy)3\.\d+t?/|/python3\.?\d+\.zip/")
FROZEN = re.compile(r"<frozen ([\w.]+)>")

HTTP = frozenset(
    [
        "urllib3",
        "requests",
        "httpx",
        "httpx2",
        "httpcore",
        "httpcore2",
        "aiohttp",
        "grpc",
        "botocore",
        "boto3",
        "s3transfer",
        "httplib2",
        "pycurl",
        "google",
        "azure",
        "smtplib",
        "ftplib",
        "xmlrpc",
        "pika",
        "kombu",
        "amqp",
        "kafka",
        "confluent_kafka",
        "nats",
        "ldap3",
        "paramiko",
        "zeep",
    ]
)
DATABASE = frozenset(
    [
        "psycopg",
        "psycopg2",
        "psycopg_binary",
        "psycopg_c",
        "asyncpg",
        "pymysql",
        "MySQLdb",
        "mysql",
        "aiomysql",
        "sqlite3",
        "aiosqlite",
        "pymongo",
        "motor",
        "cassandra",
        "pg8000",
        "oracledb",
        "cx_Oracle",
        "pyodbc",
        "pymssql",
        "clickhouse_driver",
        "neo4j",
    ]
)
KEY_VALUE = frozenset(
    [
        "redis",
        "rediscluster",
        "pymemcache",
        "memcache",
        "bmemcached",
        "pylibmc",
        "aioredis",
        "valkey",
        "coredis",
    ]
)
ORM = frozenset(
    ["sqlalchemy", "flask_sqlalchemy", "sqlmodel", "peewee", "playhouse", "pony", "mongoengine", "tortoise"]
)
POOL = frozenset(["psycopg_pool", "dbutils"])
SERVER = frozenset(
    [
        "gunicorn",
        "flask",
        "werkzeug",
        "waitress",
        "wsgiref",
        "socketserver",
        "bin",
        "uwsgi_file_",
        "uvicorn",
        "starlette",
        "asgiref",
        "blinker",
        "click",
        "itsdangerous",
        "django",
    ]
)
RETRYING = frozenset(["tenacity", "backoff", "retrying", "retry", "stamina"])
WAITING = frozenset(["threading", "queue", "selectors", "_weakrefset", "contextlib"])
"""They wait, or wrap, on behalf of whoever calls them."""
SOCKET = frozenset(["socket", "ssl"])
SERIALIZERS = frozenset(["json", "simplejson", "orjson", "ujson", "msgpack"])

CLIENT_FILES = (
    "gunicorn/http/body.py",
    "gunicorn/http/unreader.py",
    "gunicorn/http/parser.py",
    "gunicorn/http/message.py",
    "waitress/channel.py",
    "waitress/buffers.py",
)
CLIENT_FUNCTIONS = {
    "gunicorn/http/wsgi.py": frozenset({"write", "send_headers", "sendfile", "write_file"}),
    "gunicorn/util.py": frozenset({"write", "write_chunk", "write_nonblock"}),
    "werkzeug/wsgi.py": frozenset({"readinto", "read", "readall", "exhaust", "readline"}),
    "werkzeug/serving.py": frozenset({"write", "send_response", "send_header", "end_headers"}),
    "socketserver.py": frozenset({"write", "flush"}),
    "http/server.py": frozenset({"flush_headers", "handle_one_request", "parse_request"}),
}

SQLALCHEMY_STATEMENTS = frozenset(
    [
        "do_execute",
        "do_executemany",
        "do_execute_no_params",
        "do_commit",
        "do_rollback",
        "do_begin",
        "do_ping",
        "do_prepare_twophase",
        "do_commit_twophase",
        "do_rollback_twophase",
        "do_savepoint",
        "do_release_savepoint",
        "do_rollback_to_savepoint",
    ]
)
SQLALCHEMY_CHECKOUT = frozenset(["_do_get", "_checkout", "checkout"])


def _each(names: frozenset[str], kind: KnownKind | GenericKind) -> dict[str, KnownKind | GenericKind]:
    return dict.fromkeys(names, kind)


PACKAGE_KIND: dict[str, KnownKind | GenericKind] = {
    **_each(HTTP, "http"),
    **_each(DATABASE, "query"),
    **_each(KEY_VALUE, "redis"),
    **_each(ORM, "orm"),
    **_each(SERVER, "server"),
    **_each(RETRYING, "retry"),
    **_each(WAITING, "waits"),
    **_each(SOCKET, "socket"),
    "asyncio": "socket",
    "dns": "dns",
    "subprocess": "program",
    "jinja2": "template",
    "mako": "template",
    "loguru": "log",
}


def bare(function: str) -> str:
    """The name itself: interpreters from 3.11 on report `Class.method` or `outer.<locals>.inner`."""
    return function.rpartition(".")[2]


@lru_cache(maxsize=16_384)
def library_path(file: str) -> str | None:
    """Path below the library directory, such as `redis/client.py`; None for the application's own files."""
    if installed := INSTALLED.match(file):
        return installed[1]
    if frozen := FROZEN.fullmatch(file):
        return frozen[1].replace(".", "/") + ".py"
    if STANDARD_DIRECTORY.search(file):
        return STANDARD_DIRECTORY.split(file)[-1]
    if file.startswith("<") and not file.startswith("<template"):
        return file
    directory, _, name = file.rpartition("/")
    if directory.endswith("/bin") and "." not in name:
        return f"bin/{name}"
    return None


def package(path: str) -> str:
    """Top-level module of a library path."""
    return path.partition("/")[0].removesuffix(".py")


def is_installed(file: str) -> bool:
    """Whether the file was installed by a package manager, as opposed to the standard library."""
    return INSTALLED.match(file) is not None


def is_application(frame: Frame) -> bool:
    """Whether the frame is the application's own code: not installed, standard library or frozen."""
    return library_path(frame.file) is None


def is_framework(frame: Frame) -> bool:
    """Whether the frame belongs to the web server or the web framework."""
    path = library_path(frame.file)
    return path is not None and package(path) in SERVER


def dotted(frame: Frame) -> str:
    """Importable name of a library function: `json.dumps`, `redis.client.Redis.execute_command`."""
    path = library_path(frame.file) or frame.file
    module = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    return f"{module}.{frame.function.rpartition('<locals>.')[2]}"


def label(frame: Frame) -> str:
    """`function (directory/file.py)`, as the report names a function of the application."""
    short = "/".join(frame.file.split("/")[-2:])
    return f"{frame.function.rpartition('<locals>.')[2]} ({short})"


@lru_cache(maxsize=16_384)
def kind_of(path: str, function: str) -> KnownKind | GenericKind:
    """What a library frame is doing, by itself."""
    name = package(path)
    if path == "socket.py" and function in {"getaddrinfo", "gethostbyname"}:
        return "dns"
    if path == "urllib3/util/retry.py":
        return "retry"
    if path in CLIENT_FILES or function in CLIENT_FUNCTIONS.get(path, ()):
        return "client_io"
    if name == "sqlalchemy":
        return _sqlalchemy_kind(path, function)
    if path in {"http/client.py", "urllib/request.py"}:
        return "http"
    if path == "http/server.py":
        return "server"
    if path == "psycopg2/pool.py" or name in POOL:
        return "pool"
    if path.startswith("django/db/"):
        return "query" if path.startswith("django/db/backends/") and "execute" in function else "orm"
    if path.startswith("django/template/"):
        return "template"
    return PACKAGE_KIND.get(name, "")


def _sqlalchemy_kind(path: str, function: str) -> KnownKind:
    if path == "sqlalchemy/engine/default.py" and function == "connect":
        return "connect"
    if path.startswith("sqlalchemy/pool/") and function in {"__connect", "_create_connection"}:
        return "connect"
    if path == "sqlalchemy/util/queue.py":
        return "pool"
    if path.startswith("sqlalchemy/pool/") and function in SQLALCHEMY_CHECKOUT:
        return "pool"
    return "query" if function in SQLALCHEMY_STATEMENTS else "orm"
