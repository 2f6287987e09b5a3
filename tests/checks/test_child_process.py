from __future__ import annotations

from tests.checks.verbs import account, finds, is_clear, line


def test_found_with_its_place() -> None:
    found = finds("child_process", 60.0, account=account(line("program", "export (app.py)", 60.0)))
    assert found.place == "export (app.py)"


def test_too_little_to_name() -> None:
    is_clear("child_process", account=account(line("program", "export (app.py)", 5.0)))


def test_the_look_alike() -> None:
    is_clear("child_process", account=account(line("cpu code", "json.dumps called from view (app.py)", 60.0)))
