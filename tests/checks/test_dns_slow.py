from __future__ import annotations

from tests.checks.verbs import account, finds, is_clear, line
from unslow.measure.in_app import FIXED_PLACE

DNS = FIXED_PLACE["dns"]


def test_look_ups_that_dominate() -> None:
    finds("dns_slow", 60.0, account=account(line("network", DNS, 60.0)))


def test_look_ups_just_below_the_threshold() -> None:
    is_clear("dns_slow", account=account(line("network", DNS, 9.9)))


def test_growth_against_a_baseline_counts_from_a_tenth_of_the_response_time() -> None:
    finds("dns_slow", 10.5, account=account(line("network", DNS, 11.5, 1.0), before_ms=80.0))
    is_clear("dns_slow", account=account(line("network", DNS, 10.5, 1.0), before_ms=80.0))


def test_a_slow_way_is_not_a_slow_name() -> None:
    is_clear("dns_slow", account=account(line("network", "between here and billing", 60.0, detail="127.0.0.1:9000")))
