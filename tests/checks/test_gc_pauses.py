from __future__ import annotations

from tests.checks.verbs import account, finds, is_clear, line, memory
from unslow.checks import all_checks
from unslow.finding import Skipped

PAUSED = line("memory", "garbage collection", 60.0)


def test_collections_pause_requests() -> None:
    finds("gc_pauses", 60.0, account=account(PAUSED), memory=memory(gc_ratio=0.4, gc_readings=600))


def test_ordinary_collections() -> None:
    is_clear("gc_pauses", account=account(line("memory", "garbage collection", 2.0)), memory=memory(gc_ratio=0.01))


def test_code_that_computes_without_collecting() -> None:
    is_clear(
        "gc_pauses", account=account(line("cpu code", "f (app.py)", 60.0, detail="code")), memory=memory(gc_ratio=0.0)
    )


def test_an_unreadable_interpreter_is_said() -> None:
    assert isinstance(all_checks()["gc_pauses"](account=account(), memory=memory()), Skipped)
