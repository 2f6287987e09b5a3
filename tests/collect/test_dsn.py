from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from unslow.collect.dsn import Candidate, Given, candidates, from_environment, parse
from unslow.collect.dsn_files import MAX_BYTES, settings_in
from unslow.errors import BadUsage


@contextmanager
def process(folder: Path, environment: Mapping[str, str], *arguments: str) -> Iterator[int]:
    """A process that does nothing, with this environment and working folder."""
    command = [sys.executable, "-c", "import time; time.sleep(60)", *arguments]
    running = subprocess.Popen(command, cwd=folder, env=dict(environment))
    try:
        deadline = time.monotonic() + 10
        while Path(f"/proc/{running.pid}/exe").resolve() != Path(sys.executable).resolve():
            assert time.monotonic() < deadline
        # The kernel names the new program a moment before its arguments and its environment can be read.
        while not Path(f"/proc/{running.pid}/cmdline").read_bytes().endswith(b"\0"):
            assert time.monotonic() < deadline
        yield running.pid
    finally:
        running.kill()
        running.wait()


def login(candidate: Candidate) -> dict[str, object]:
    return {key: value for key, value in conninfo_to_dict(candidate.dsn).items() if value is not None}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (
            "postgresql+psycopg2://bob:s3c%40ret@db.internal:6432/shop?charset=utf8&sslmode=require",
            {
                "host": "db.internal",
                "port": "6432",
                "user": "bob",
                "password": "s3c@ret",
                "dbname": "shop",
                "sslmode": "require",
            },
        ),
        ("postgres://localhost/shop", {"host": "localhost", "port": "5432", "dbname": "shop"}),
        (
            "postgresql://bob@/shop?host=/var/run/pg",
            {"host": "/var/run/pg", "port": "5432", "user": "bob", "dbname": "shop"},
        ),
        ("postgresql://[::1]:5433/shop", {"host": "::1", "port": "5433", "dbname": "shop"}),
        ("host=10.0.0.5 dbname=shop user=bob", {"host": "10.0.0.5", "port": "5432", "dbname": "shop", "user": "bob"}),
    ],
)
def test_postgres_strings(text: str, wanted: dict[str, str]) -> None:
    candidate = parse(text, "test")
    assert candidate is not None
    assert candidate.kind == "postgresql"
    assert login(candidate) == wanted


@pytest.mark.parametrize(
    ("text", "dsn", "address"),
    [
        ("redis://:pw@cache:6380/2", "redis://:pw@cache:6380/2", "cache:6380"),
        ("rediss://cache", "rediss://cache", "cache:6379"),
        ("valkey://cache:1", "redis://cache:1", "cache:1"),
        ("unix:///run/redis.sock?db=1", "unix:///run/redis.sock?db=1", "/run/redis.sock"),
    ],
)
def test_redis_urls(text: str, dsn: str, address: str) -> None:
    candidate = parse(text, "test")
    assert candidate is not None
    assert (candidate.kind, candidate.dsn, candidate.address) == ("redis", dsn, address)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "mysql://bob@db/shop",
        "sqlite:///shop.db",
        "postgresql://${USER}@db/shop",
        "postgresql://{user}@db/shop",
        "postgresql://db:port/shop",
        "the host=is here",
        "http://127.0.0.1:5432",
        "x" * 5000,
    ],
)
def test_other_strings_are_no_login(text: str) -> None:
    assert parse(text, "test") is None


def test_the_password_does_not_show() -> None:
    candidate = parse("postgresql://bob:s3cret@db/shop", "DATABASE_URL in the environment")
    assert candidate is not None
    assert "s3cret" not in repr(candidate)
    assert "s3cret" not in repr(Given(postgres="postgresql://bob:s3cret@db/shop"))
    assert "s3cret" in candidate.dsn


@pytest.mark.parametrize(
    ("environment", "kind", "wanted"),
    [
        ({"PGHOST": "db", "PGUSER": "bob", "PGPASSWORD": "x", "PGDATABASE": "shop"}, "postgresql", "db:5432"),
        ({"POSTGRES_USER": "bob", "POSTGRES_PASSWORD": "x", "POSTGRES_DB": "shop"}, "postgresql", "localhost:5432"),
        ({"DB_HOST": "db", "DB_PORT": "6000", "DB_NAME": "shop"}, "postgresql", "db:6000"),
        ({"REDIS_HOST": "cache", "REDIS_PORT": "6380"}, "redis", "cache:6380"),
        ({"CUSTOM_DSN": "host=db dbname=shop"}, "postgresql", "db:5432"),
        ({"SQLALCHEMY_DATABASE_URI": "postgresql+asyncpg://db/shop"}, "postgresql", "db:5432"),
    ],
)
def test_variables(environment: dict[str, str], kind: str, wanted: str) -> None:
    [found] = from_environment(environment, "environment")
    assert (found.kind, found.address) == (kind, wanted)


@pytest.mark.parametrize(
    "environment",
    [
        {"REDIS_PORT": "tcp://10.0.0.1:6379"},
        {"DB_ENGINE": "django.db.backends.mysql", "DB_HOST": "db", "DB_NAME": "shop"},
        {"POSTGRES_PASSWORD": "only"},
        {"HOME": "/root", "PATH": "/bin"},
    ],
)
def test_variables_that_lead_nowhere(environment: dict[str, str]) -> None:
    assert from_environment(environment, "environment") == []


def test_a_process_by_environment_command_line_and_files(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("# comment\nexport CACHE_URL='redis://from-env-file:6379/1'\n")
    (tmp_path / "config.py").write_text(
        "import os\nclass Config:\n    SQLALCHEMY_DATABASE_URI = os.environ.get('DB', 'postgresql://from-config/shop')\n"
    )
    environment = {"DATABASE_URL": "postgresql://from-environment/shop"}
    with process(tmp_path, environment, "--dsn=postgresql://from-command-line/shop") as pid:
        found = candidates([pid])
    assert [(one.kind, one.address) for one in found] == [
        ("postgresql", "from-environment:5432"),
        ("postgresql", "from-command-line:5432"),
        ("redis", "from-env-file:6379"),
        ("postgresql", "from-config:5432"),
    ]
    assert found[0].source == f"DATABASE_URL in the environment of process {pid}"
    assert found[3].source.endswith("file config.py")


def test_the_servers_that_the_application_talks_to_come_first(tmp_path: Path) -> None:
    environment = {"A_URL": "postgresql://replica:5432/shop", "B_URL": "postgresql://localhost:5433/shop"}
    with process(tmp_path, environment) as pid:
        found = candidates([pid], [("postgresql", "127.0.0.1:5433")])
    assert [one.address for one in found][:2] == ["localhost:5433", "replica:5432"]


def test_what_the_user_gives_is_the_only_one_of_its_kind(tmp_path: Path) -> None:
    environment = {"DATABASE_URL": "postgresql://db/shop", "REDIS_URL": "redis://cache"}
    with process(tmp_path, environment) as pid:
        found = candidates([pid], [("postgresql", "127.0.0.1:5432")], Given(postgres="postgresql://me@elsewhere/other"))
    assert [(one.kind, one.address) for one in found] == [("postgresql", "elsewhere:5432"), ("redis", "cache:6379")]


def test_what_the_user_gives_must_make_sense_and_is_not_repeated() -> None:
    with pytest.raises(BadUsage) as caught:
        candidates((), (), Given(postgres="mysql://bob:s3cret@db/shop"))
    assert "--postgres" in caught.value.message
    assert "s3cret" not in caught.value.message + caught.value.remedy


def test_a_bare_address_is_enough_for_redis() -> None:
    [found] = candidates((), (), Given(redis="127.0.0.1:6390"))
    assert found.dsn == "redis://127.0.0.1:6390"


def test_last_resort_is_a_login_without_password_on_this_machine_only() -> None:
    observed = [
        ("postgresql", "127.0.0.1:5433"),
        ("postgresql", "10.1.2.3:5432"),
        ("redis", "[::1]:6379"),
        ("http", "127.0.0.1:80"),
    ]
    found = candidates((), observed)
    assert {one.address for one in found} == {"127.0.0.1:5433", "[::1]:6379"}
    logins = [login(one) for one in found if one.kind == "postgresql"]
    assert "postgres" in {each["user"] for each in logins}
    assert all("password" not in each for each in logins)
    assert not any(one.database_known for one in found if one.kind == "postgresql")


def test_a_unix_socket() -> None:
    found = candidates((), [("postgresql", "/run/postgresql/.s.PGSQL.5433"), ("redis", "/run/redis.sock")])
    assert login(found[0])["host"] == "/run/postgresql"
    assert login(found[0])["port"] == "5433"
    assert found[-1].dsn == "unix:///run/redis.sock"


def test_a_process_that_is_gone() -> None:
    assert candidates([2**22 - 1]) == ()


def files(folder: Path) -> dict[str, str]:
    return {name: value for setting in settings_in(folder) for name, value in setting.values}


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("settings.toml", "[redis]\nhost = 'cache'\nport = 6380\n", {"REDIS_HOST": "cache", "REDIS_PORT": "6380"}),
        (
            "settings.json",
            '{"database": {"host": "db", "user": "bob"}}',
            {"DATABASE_HOST": "db", "DATABASE_USER": "bob"},
        ),
        ("settings.yaml", "database_url: postgresql://db/shop\n", {"DATABASE_URL": "postgresql://db/shop"}),
        (".env", "POSTGRES_DB=shop\nPOSTGRES_USER='bob'\n", {"POSTGRES_DB": "shop", "POSTGRES_USER": "bob"}),
        ("broken.json", '{"url": "redis://cache:6379", ', {"URL_0": "redis://cache:6379"}),
    ],
)
def test_files(tmp_path: Path, name: str, text: str, wanted: dict[str, str]) -> None:
    (tmp_path / name).write_text(text)
    assert wanted.items() <= files(tmp_path).items()


def test_arguments_of_connecting_calls(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        "import psycopg2, redis, pymysql\n"
        "db = psycopg2.connect(host='db', port=5433, database='shop', user='bob', password='s3cret')\n"
        "cache = redis.Redis(host='cache', port=6380, db=2)\n"
        "other = pymysql.connect(host='my', user='bob', database='x')\n"
        "raise SystemExit('never executed')\n"
    )
    with process(tmp_path, {}) as pid:
        found = candidates([pid])
    assert [(one.kind, one.address) for one in found] == [("postgresql", "db:5433"), ("redis", "cache:6380")]
    assert found[0].source == "file app.py, line 2"
    assert login(found[0])["password"] == "s3cret"
    assert found[1].dsn.endswith("/2")


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "large.env").write_text("A=redis://large:1\n" + "#" * MAX_BYTES)
    (tmp_path / "broken.py").write_text("def (:\n'redis://broken:1'")
    (tmp_path / "config.yaml").mkdir()
    (tmp_path / "vanished.env").symlink_to(tmp_path / "nowhere")
    assert files(tmp_path) == {}
