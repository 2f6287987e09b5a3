from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unslow.evidence.series import Point, Series
from unslow.measure.change_point import CRITICAL, _split, change_point, seeded

START, STEP = 1_700_000_000, 60


def series(values: Sequence[float | None]) -> Series:
    points = tuple(Point(at_s=START + STEP * at, mean_s=value) for at, value in enumerate(values))
    return Series(source="test", query="", step_s=STEP, points=points)


def place(at_s: float | None) -> int | None:
    return None if at_s is None else round((at_s - START) / STEP)


def normal(rng: random.Random, count: int, spread: float) -> list[float]:
    return [0.05 * max(0.05, rng.gauss(1, spread)) for _ in range(count)]


def lognormal(rng: random.Random, count: int, spread: float) -> list[float]:
    return [0.05 * math.exp(rng.gauss(0, spread)) for _ in range(count)]


def following(rng: random.Random, count: int, spread: float) -> list[float]:
    values, at = [], 0.0
    for _ in range(count):
        at = 0.5 * at + rng.gauss(0, spread * math.sqrt(0.75))
        values.append(0.05 * math.exp(at))
    return values


def outliers(rng: random.Random, count: int, spread: float) -> list[float]:
    return [value * (rng.choice([0.2, 5, 20]) if rng.random() < 0.05 else 1) for value in lognormal(rng, count, spread)]


def season(rng: random.Random, count: int, spread: float) -> list[float]:
    period, phase, swing = rng.uniform(10, count / 2), rng.uniform(0, 7), rng.uniform(0.1, 0.5)
    return [
        value * (1 + swing * math.sin(phase + 2 * math.pi * at / period))
        for at, value in enumerate(lognormal(rng, count, spread))
    ]


Noise = Callable[[random.Random, int, float], list[float]]


def with_gaps(rng: random.Random, values: list[float]) -> list[float | None]:
    return [None if rng.random() < 0.08 else value for value in values]


@pytest.mark.parametrize("noise", [normal, lognormal, following, outliers, season])
def test_noise_alone_raises_at_most_one_false_alarm_in_a_hundred(noise: Noise):
    rng = random.Random(1)
    alarms = sum(
        change_point(series(with_gaps(rng, noise(rng, rng.randint(30, 200), rng.uniform(0.02, 0.4))))) is not None
        for _ in range(1000)
    )
    assert alarms <= 10


@pytest.mark.parametrize(
    ("noise", "spread", "share"),
    [(normal, 0.25, 0.98), (lognormal, 0.25, 0.98), (following, 0.12, 0.98), (outliers, 0.25, 0.92)],
)
def test_a_step_of_two_is_found_within_two_points(noise: Noise, spread: float, share: float):
    rng = random.Random(2)
    found = 0
    for _ in range(500):
        count = rng.randint(40, 200)
        onset = rng.randint(count // 5, count * 4 // 5)
        values = noise(rng, count, rng.uniform(0.02, spread))
        stepped = [value * (2 if at >= onset else 1) for at, value in enumerate(values)]
        change = change_point(series(with_gaps(rng, stepped)))
        found += change is not None and abs(place(change.at_s) - onset) <= 2
    assert found >= share * 500


def test_an_incident_that_ended_has_an_onset_and_an_end():
    rng = random.Random(3)
    values = [value * (3 if 50 <= at < 65 else 1) for at, value in enumerate(lognormal(rng, 120, 0.1))]
    change = change_point(series(values))
    assert (place(change.at_s), place(change.until_s)) == (50, 65)
    assert change.ratio == pytest.approx(3, rel=0.1)
    assert change.rose


def test_the_latest_rise_counts_and_the_level_before_it():
    rng = random.Random(4)
    levels = [0.08] * 30 + [0.05] * 40 + [0.15] * 30
    change = change_point(series([level * math.exp(rng.gauss(0, 0.05)) for level in levels]))
    assert place(change.at_s) == 70
    assert change.before_s == pytest.approx(0.05, rel=0.1)
    assert change.until_s is None


def test_a_staircase_starts_at_its_first_step():
    rng = random.Random(5)
    levels = [0.05] * 30 + [0.08] * 20 + [0.13] * 20
    change = change_point(series([level * math.exp(rng.gauss(0, 0.05)) for level in levels]))
    assert place(change.at_s) == 30


def test_a_fall_is_no_onset():
    assert change_point(series([0.1 + at % 3 * 0.001 for at in range(40)] + [0.05] * 40)) is None


def test_a_job_that_makes_every_tenth_minute_slow_is_no_onset():
    assert change_point(series([0.2 if at % 10 < 3 else 0.05 for at in range(120)])) is None


def test_a_rise_below_a_fifth_is_not_worth_a_name():
    assert change_point(series([0.05] * 50 + [0.059] * 50)) is None
    assert change_point(series([0.05] * 50 + [0.061] * 50)) is not None


def test_a_hang_is_a_gap_and_not_a_fast_minute():
    change = change_point(series([0.05, 0.051] * 20 + [None] * 10 + [0.2, 0.21] * 10))
    assert place(change.at_s) == 50


@pytest.mark.parametrize(
    "values", [[], [None] * 50, [0.05] * 11, [0.05] * 100, [0.0] * 100, [math.nan] * 50, [math.inf] * 50]
)
def test_nothing_to_find(values):
    assert change_point(series(values)) is None


def test_a_week_of_minutes_is_searched_in_blocks_and_found_to_the_point():
    rng = random.Random(6)
    values = [value * (2 if at >= 7_003 else 1) for at, value in enumerate(lognormal(rng, 10_080, 0.2))]
    assert abs(place(change_point(series(values)).at_s) - 7_003) <= 2


def test_the_clearer_the_rise_the_higher_the_confidence():
    rng = random.Random(7)
    noise = lognormal(rng, 60, 0.3)
    slight, clear = (
        change_point(series([value * (ratio if at >= 30 else 1) for at, value in enumerate(noise)]))
        for ratio in (2, 10)
    )
    assert 0.5 <= slight.confidence < clear.confidence <= 1


@pytest.mark.parametrize(("count", "critical"), CRITICAL[:4])
def test_the_table_is_what_random_permutations_give(count: int, critical: float):
    rng = random.Random(8)
    intervals = seeded(count)
    above = 0
    for _ in range(1000):
        values = rng.sample(range(count), count)
        above += max(_split(values, low, high).score for low, high in intervals) > critical
    assert above <= 13  # 5 expected


@settings(max_examples=300, deadline=None)
@given(st.lists(st.none() | st.floats(allow_nan=True, allow_infinity=True), max_size=80), st.floats(0.001, 1000))
def test_any_values_in_any_unit(values, unit):
    change = change_point(series(values))
    if change is not None:
        assert change.ratio > 1.15
        assert change.at_s >= START
    usual = [None if value is None or not 1e-6 < value < 1e6 else value for value in values]
    scaled = change_point(series([None if value is None else value * unit for value in usual]))
    plain = change_point(series(usual))
    assert (scaled and scaled.at_s) == (plain and plain.at_s)
