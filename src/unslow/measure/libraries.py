"""Which library a stack frame belongs to, and what kind of work that library does."""

from __future__ import annotations

import re

from unslow.evidence.profile import Frame

INSTALLED = re.compile(r".*/(?:site|dist)-packages/(.+)$")
STANDARD_DIRECTORY = re.compile(r"/lib(?:64)?/(?:python|pypy)3\.\d+t?/|/python3\.?\d+\.zip/")
FROZEN = re.compile(r"<frozen ([\w.]+)>")

HTTP = frozenset(
    "urllib3 requests httpx httpx2 httpcore httpcore2 aiohttp grpc botocore boto3 s3transfer httplib2 pycurl "
    "google azure smtplib ftplib xmlrpc pika kombu amqp kafka confluent_kafka nats ldap3 paramiko zeep".split()
)
DATABASE = frozenset(
    "psycopg psycopg2 psycopg_binary psycopg_c asyncpg pymysql MySQLdb mysql aiomysql sqlite3 aiosqlite pymongo "
    "motor cassandra pg8000 oracledb cx_Oracle pyodbc pymssql clickhouse_driver neo4j".split()
)
KEY_VALUE = frozenset(
    "redis rediscluster pymemcache memcache bmemcached pylibmc aioredis valkey coredis".split()
)
ORM = frozenset("sqlalchemy flask_sqlalchemy sqlmodel peewee playhouse pony mongoengine tortoise".split())
POOL = frozenset("psycopg_pool dbutils".split())
SERVER = frozenset(
    "gunicorn flask werkzeug waitress wsgiref socketserver bin uwsgi_file_ uvicorn starlette asgiref blinker "
    "click itsdangerous django".split()
)
RETRYING = frozenset("tenacity backoff retrying retry stamina".split())
WAITING = frozenset("threading queue selectors _weakrefset contextlib".split())
"""They wait, or wrap, on behalf of whoever calls them."""
SOCKET = frozenset("socket ssl".split())
SERIALIZERS = frozenset("json simplejson orjson ujson msgpack".split())

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
    "do_execute do_executemany do_execute_no_params do_commit do_rollback do_begin do_ping do_prepare_twophase "
    "do_commit_twophase do_rollback_twophase do_savepoint do_release_savepoint do_rollback_to_savepoint".split()
)
SQLALCHEMY_CHECKOUT = frozenset("_do_get _checkout checkout".split())


def bare(function: str) -> str:
    """The name itself: interpreters from 3.11 on report `Class.method` or `outer.<locals>.inner`."""
    return function.rpartition(".")[2]


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
    """Whether the frame is the application's own code: not installed, not the standard library, not frozen."""
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


def kind_of(path: str, function: str) -> str:
    """What a library frame is doing, by itself; empty when the library is not known.

    `waits` and `socket` are generic: their meaning is their caller's.
    """
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


PACKAGE_KIND = {
    **dict.fromkeys(HTTP, "http"),
    **dict.fromkeys(DATABASE, "query"),
    **dict.fromkeys(KEY_VALUE, "redis"),
    **dict.fromkeys(ORM, "orm"),
    **dict.fromkeys(SERVER, "server"),
    **dict.fromkeys(RETRYING, "retry"),
    **dict.fromkeys(WAITING, "waits"),
    **dict.fromkeys(SOCKET, "socket"),
    "asyncio": "socket",
    "dns": "dns",
    "jinja2": "template",
    "mako": "template",
    "loguru": "log",
}


def _sqlalchemy_kind(path: str, function: str) -> str:
    if path == "sqlalchemy/engine/default.py" and function == "connect":
        return "connect"
    if path.startswith("sqlalchemy/pool/") and function in {"__connect", "_create_connection"}:
        return "connect"
    if path == "sqlalchemy/util/queue.py":
        return "pool"
    if path.startswith("sqlalchemy/pool/") and function in SQLALCHEMY_CHECKOUT:
        return "pool"
    return "query" if function in SQLALCHEMY_STATEMENTS else "orm"
