from __future__ import annotations

from tests.checks.verbs import account, cpu, finds, is_clear, line, profile
from unslow.checks import all_checks
from unslow.finding import Skipped

WAITING = line("gil", "waiting for the interpreter lock", 60.0)
BACKGROUND = profile((("run /usr/lib/python3.11/threading.py", "crunch /srv/jobs.py"), "run", 9.0))


def test_a_background_thread_holds_the_lock() -> None:
    found = finds("gil_contention", 60.0, account=account(WAITING), profile=BACKGROUND, cpu=cpu())
    assert found.place == "crunch (/srv/jobs.py)"


def test_a_little_waiting() -> None:
    little = line("gil", WAITING.place, 9.0)
    is_clear("gil_contention", account=account(little), profile=BACKGROUND, cpu=cpu())


def test_a_throttled_holder_is_throttling() -> None:
    throttled = cpu(limit_cores=0.5, periods=100, throttled_periods=60)
    is_clear("gil_contention", account=account(WAITING), profile=BACKGROUND, cpu=throttled)


def test_stops_that_are_far_shorter_than_the_waiting_are_not_its_cause() -> None:
    short = cpu(limit_cores=1.0, periods=150, throttled_periods=20, throttled_s=0.2, gil_wait_mean=2.0)
    finds("gil_contention", 60.0, account=account(WAITING), profile=BACKGROUND, cpu=short)


def test_unreadable_states_are_said() -> None:
    outcome = all_checks()["gil_contention"](account=account(), profile=profile(states_known=False))
    assert isinstance(outcome, Skipped)
    assert "ptrace" in outcome.remedy


def test_the_core_that_the_background_thread_takes_is_charged_to_it() -> None:
    taken = line("cpu contended", "waiting for a free core (cpu code)", 8.0, detail="cpu code")
    finds("gil_contention", 68.0, account=account(WAITING, taken), profile=BACKGROUND, cpu=cpu())
