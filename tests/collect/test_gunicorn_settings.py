from __future__ import annotations

from pathlib import Path

import pytest

from unslow.collect.gunicorn_settings import literals, options, settings


def nothing(_: str) -> None:
    return None


def test_defaults_are_gunicorns(tmp_path: Path) -> None:
    found = settings(("gunicorn", "a:app"), str(tmp_path), nothing, 4)
    assert found == {
        "workers": 1,
        "threads": 1,
        "worker_class": "sync",
        "timeout": 30,
        "keepalive": 2,
        "backlog": 2048,
        "worker_connections": 1000,
    }


def test_the_command_line_wins_over_the_variable_and_that_over_the_file(tmp_path: Path) -> None:
    (tmp_path / "gunicorn.conf.py").write_text("workers = 2\ntimeout = 11\nkeepalive = 12\n")
    environment = {"GUNICORN_CMD_ARGS": "--timeout 21 --workers=3"}
    found = settings(("gunicorn", "-w", "4", "a:app"), str(tmp_path), environment.get, 4)
    assert (found["workers"], found["timeout"], found["keepalive"]) == (4, 21, 12)
    assert found["config"] == str(tmp_path / "gunicorn.conf.py")


def test_threads_make_a_sync_worker_gthread(tmp_path: Path) -> None:
    assert settings(("gunicorn", "--threads", "8"), str(tmp_path), nothing, 4)["worker_class"] == "gthread"


@pytest.mark.parametrize("line", [("-w", "3"), ("-w3",), ("--workers=3",), ("--workers", "3")])
def test_options_in_every_notation(line: tuple[str, ...]) -> None:
    assert options(("gunicorn", *line, "a:app")) == {"workers": "3"}


def test_simple_expressions_are_evaluated_and_clever_ones_left_out() -> None:
    text = """
import multiprocessing, os
base = multiprocessing.cpu_count() * 2
workers = base + 1
threads = int(os.environ.get("THREADS", "5"))
timeout = int(os.getenv("LIMIT") or 40)
backlog = __import__("os").system("touch /tmp/unslow-was-here")
keepalive = [1][0]
worker_class = "gthread"
worker_connections = 9 ** 9 ** 9
"""
    found = literals(text, {"LIMIT": "77"}.get, 4)
    assert {name: found.get(name) for name in ("workers", "threads", "timeout", "worker_class")} == {
        "workers": 9,
        "threads": 5,
        "timeout": 77,
        "worker_class": "gthread",
    }
    assert not {"backlog", "keepalive", "worker_connections"} & found.keys()
    assert not Path("/tmp/unslow-was-here").exists()


@pytest.mark.parametrize("text", ["workers = ", "\0", "workers = 'many'", "workers = 'x' * 10 ** 12", "(" * 5000])
def test_a_damaged_file_says_nothing(text: str) -> None:
    assert "workers" not in literals(text, nothing, 4)
