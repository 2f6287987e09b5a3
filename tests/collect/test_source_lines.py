"""Lines of source name the C functions that leave no frame."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from unslow.collect.source_lines import Sources
from unslow.evidence.profile import Frame

SOURCE = """\
import re
import threading
import time as clock
from queue import SimpleQueue as Channel
from functools import wraps
import sqlite3
from . import pricing
import msgspec

PATTERN = re.compile("a+")
LOCK = threading.Lock()
channel = Channel()


class Store:
    def __init__(self, path):
        self.lock = threading.Lock()
        self.connection = sqlite3.connect(path)

    def load(self, key):
        with self.lock:  # LINE self-lock
            return self.connection.execute("select 1")  # LINE self-connection


def handle(text, cur, items):
    found = PATTERN.search(text)  # LINE pattern
    re.sub("b", "c", text)  # LINE module-function
    with LOCK:  # LINE with-lock
        clock.sleep(0.1)  # LINE aliased
    channel.get()  # LINE queue
    cur.execute("select 1")  # LINE cursor
    pricing.total(items)  # LINE own-function
    sorted(items)  # LINE builtin
    msgspec.json.encode(re.escape(text))  # LINE two-libraries
    msgspec.json.encode(items)  # LINE installed
    clock.sleep(len(re.findall("a", text)))  # LINE waits
    started = clock.monotonic()  # LINE cheap
    db = sqlite3.connect(":memory:")  # LINE connects
    return db.execute(  # LINE several-lines
        "select 1",
    )


def guarded(function):
    @wraps(function)
    def around(*args, **kwargs):
        check(args)  # LINE works
        return function(*args, **kwargs)  # LINE forwards

    return around


def create_app():
    def books(identifier):
        return identifier  # LINE nested-view

    return books
"""

LINES = {text.split("# LINE ")[1]: number for number, text in enumerate(SOURCE.splitlines(), 1) if "# LINE " in text}


@pytest.fixture
def sources(tmp_path: Path) -> tuple[Sources, str]:
    file = tmp_path / "shop.py"
    file.write_text(SOURCE)
    yesterday = time.time() - 86_400
    os.utime(file, (yesterday, yesterday))
    site = next(path for path in sys.path if path.endswith("site-packages"))
    return Sources([os.getpid()], [f"{site}/redis/client.py"]), str(file)


@pytest.mark.parametrize(
    ("line", "calls"),
    {
        "pattern": "re.Pattern.search",
        "module-function": "re.sub",
        "with-lock": "threading.Lock.acquire",
        "self-lock": "threading.Lock.acquire",
        "self-connection": "sqlite3.Connection.execute",
        "aliased": "time.sleep",
        "queue": "queue.SimpleQueue.get",
        "cursor": "cursor.execute",
        "own-function": "",
        "builtin": "",
        "two-libraries": "",
        "installed": "msgspec.json.encode",
        "waits": "time.sleep",
        "cheap": "",
        "connects": "sqlite3.connect",
        "several-lines": "sqlite3.Connection.execute",
    }.items(),
)
def test_calls(sources: tuple[Sources, str], line: str, calls: str) -> None:
    reader, file = sources
    assert reader.calls(Frame(function="handle", file=file, line=LINES[line])) == calls


@pytest.mark.parametrize(
    ("line", "role"),
    [("works", "works"), ("forwards", "forwards"), ("nested-view", "view"), ("pattern", "view")],
)
def test_roles(sources: tuple[Sources, str], line: str, role: str) -> None:
    reader, file = sources
    assert reader.role(Frame(function="f", file=file, line=LINES[line])) == role


def test_file_changed_after_the_worker_started_is_not_trusted(sources: tuple[Sources, str]) -> None:
    reader, file = sources
    os.utime(file, (time.time() + 60, time.time() + 60))
    assert reader.calls(Frame(function="handle", file=file, line=LINES["pattern"])) == ""


def test_unreadable_source_says_nothing(sources: tuple[Sources, str], tmp_path: Path) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("def (:")
    os.utime(broken, (0, 0))
    for file in (str(broken), "/nowhere/at/all.py", "<string>"):
        assert sources[0].calls(Frame(function="f", file=file, line=1)) == ""
        assert sources[0].role(Frame(function="f", file=file, line=1)) == "unknown"
