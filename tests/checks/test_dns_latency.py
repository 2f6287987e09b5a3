from __future__ import annotations

from tests.checks.verbs import account, finds, is_clear, line
from unslow.evidence.cluster import Dns, Lookup
from unslow.measure.in_app import FIXED_PLACE

WAITING = account(line("network", FIXED_PLACE["dns"], 60.0))
QUICK = Lookup(name="cache", times_s=(0.002, 0.003, 0.002))


def test_one_name_whose_questions_are_lost() -> None:
    slow = Lookup(name="billing.example", times_s=(5.004, 5.003, 0.002), queries=8)
    found = finds("dns_latency", 60.0, dns=Dns(ndots=5, search_domains=3, lookups=(slow, QUICK)), account=WAITING)
    assert "2 of them with a lost question" in found.because
    assert "1 other names are quick" in found.because
    assert "one look-up is 8 questions (ndots:5, 3 search domains)" in found.because


def test_a_name_that_fails() -> None:
    broken = Lookup(name="billing", times_s=(0.004,), failures=3)
    assert finds("dns_latency", 0.0, dns=Dns(lookups=(broken, QUICK)), account=account()).place == "DNS: billing"


def test_servers_that_are_throttled() -> None:
    found = finds("dns_latency", 60.0, dns=Dns(lookups=(QUICK,), server_throttled_ratio=0.4), account=WAITING)
    assert "CoreDNS is throttled in 40% of its periods" in found.because


def test_questions_that_are_lost_on_the_way() -> None:
    found = finds("dns_latency", 60.0, dns=Dns(server_mean_s=0.0002), account=WAITING)
    assert found.title == "looking up names is slow, and not in CoreDNS"
    assert "CoreDNS takes 0.2 ms an answer" in found.because


def test_few_and_very_slow_look_ups_are_sure_where_they_are_most_of_it() -> None:
    slow = line("network", FIXED_PLACE["dns"], 900.0, error_ms=480.0)
    finds("dns_latency", 900.0, dns=Dns(), account=account(slow, line("queue", "w", 20.0), now_ms=2300.0))
    other = line("db query", "q", 1000.0)
    is_clear("dns_latency", dns=Dns(), account=account(slow, other, now_ms=2300.0))


def test_other_waiting_is_not_claimed() -> None:
    slow = Lookup(name="billing", times_s=(0.2,))
    finds("dns_latency", 0.0, dns=Dns(lookups=(slow,)), account=account(line("network", "between here and x", 60.0)))


def test_just_below_fifty_milliseconds() -> None:
    is_clear("dns_latency", dns=Dns(lookups=(Lookup(name="billing", times_s=(0.049, 0.049)),)), account=account())


def test_many_questions_that_are_answered_quickly() -> None:
    is_clear(
        "dns_latency", dns=Dns(ndots=5, lookups=(Lookup(name="x", times_s=(0.004,), queries=8),)), account=account()
    )
