from __future__ import annotations

from tests.checks.verbs import account, finds, is_clear, line


def test_a_function_that_computes() -> None:
    found = finds(
        "hot_function",
        60.0,
        account=account(
            line("cpu code", "score (app.py)", 50.0, detail="code"),
            line("cpu code", "rank (app.py)", 10.0, detail="code"),
        ),
    )
    assert found.place == "score (app.py)"


def test_ordinary_work() -> None:
    is_clear("hot_function", account=account(line("cpu code", "score (app.py)", 24.0, detail="code")))


def test_somebody_elses_code() -> None:
    is_clear("hot_function", account=account(line("cpu code", "dumps (json)", 60.0, detail="library")))


def test_the_framework_is_nobodys_fault() -> None:
    is_clear("hot_function", account=account(line("cpu code", "web framework", 60.0, detail="server")))


def test_the_waits_it_causes_are_charged_to_it() -> None:
    waits = (
        line("gil", "waiting for the interpreter lock", 12.0),
        line("cpu contended", "waiting for a free core (cpu code)", 8.0, detail="cpu code"),
        line("cpu contended", "waiting for a free core (db query)", 5.0, detail="db query"),
    )
    finds("hot_function", 80.0, account=account(line("cpu code", "score (app.py)", 60.0, detail="code"), *waits))
