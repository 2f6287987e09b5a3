from __future__ import annotations

from tests.checks.verbs import account, finds, is_clear, line


def test_a_library_that_computes() -> None:
    finds("slow_library", 60.0, account=account(line("cpu code", "re.sub", 60.0, detail="library")))


def test_ordinary_serialising() -> None:
    is_clear("slow_library", account=account(line("cpu code", "json.dumps", 24.0, detail="library")))


def test_the_applications_own_loop() -> None:
    is_clear("slow_library", account=account(line("cpu code", "score (app.py)", 60.0, detail="code")))
