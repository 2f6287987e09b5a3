from __future__ import annotations

import pytest

from unslow.collect.attempts import Attempts
from unslow.errors import BadUsage, Unavailable


def attempts() -> Attempts:
    return Attempts(lambda text: None)


def unavailable() -> None:
    raise Unavailable("the page", "expose it")


def broken() -> None:
    raise ZeroDivisionError("division by zero")


def test_what_was_collected_is_given_back_and_noted() -> None:
    log = attempts()
    assert log.run("page", "page", lambda: 7) == 7
    assert (log.probes[0].name, log.probes[0].result) == ("page", "ok")


def test_a_source_that_is_not_there_is_noted_with_its_remedy() -> None:
    log = attempts()
    assert log.run("page", "page", unavailable) is None
    assert (log.probes[0].result, log.probes[0].missing, log.probes[0].remedy) == ("skipped", "the page", "expose it")


def test_a_surprise_is_noted_and_the_rest_goes_on() -> None:
    log = attempts()
    log.run("page", "page", broken)
    log.run("cpu", "kernel", lambda: 1)
    assert [probe.result for probe in log.probes] == ["failed", "ok"]
    assert "ZeroDivisionError" in log.probes[0].missing


def test_what_the_user_got_wrong_is_not_swallowed() -> None:
    def wrong() -> None:
        raise BadUsage("no such thing")

    with pytest.raises(BadUsage):
        attempts().run("page", "page", wrong)


def test_later_trouble_replaces_earlier_success_and_not_the_other_way_round() -> None:
    log = attempts()
    log.run("page", "page", lambda: 1)
    log.run("page", "page", unavailable)
    log.run("page", "page", lambda: 1)
    assert [probe.result for probe in log.probes] == ["skipped"]
