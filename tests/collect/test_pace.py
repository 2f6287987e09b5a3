from __future__ import annotations

import pytest

from unslow.collect.pace import FASTEST_PER_S, LEAST_SHARE, Pace, idle_ticks, pause_s


def test_on_a_full_machine_reading_takes_its_share_of_a_core_and_no_more() -> None:
    cost_s = 0.004
    assert cost_s / (cost_s + pause_s(cost_s, 0.0)) == pytest.approx(LEAST_SHARE)


def test_idle_cores_are_there_to_be_used_up_to_the_fastest_pace() -> None:
    assert pause_s(0.004, 0.2) < pause_s(0.004, 0.0)
    assert pause_s(0.001, 2.0) + 0.001 == pytest.approx(1.0 / FASTEST_PER_S)


def test_a_cheap_reading_is_no_reason_to_read_faster() -> None:
    assert pause_s(0.0001, 0.0) + 0.0001 == pytest.approx(1.0 / FASTEST_PER_S)


def test_the_kernel_says_how_idle_it_is() -> None:
    assert idle_ticks() > 0


def test_a_reading_is_due_again_after_its_pause() -> None:
    pace = Pace()
    assert pace.is_due()
    pace.took(10.0)
    assert not pace.is_due()
