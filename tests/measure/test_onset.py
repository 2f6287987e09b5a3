from __future__ import annotations

from unslow.evidence.series import Point, Series
from unslow.measure.onset import is_low, onset_s, over_s


def series(*means_s: float) -> Series:
    points = tuple(Point(at_s=60.0 * i, mean_s=mean) for i, mean in enumerate(means_s))
    return Series(source="s", query="q", step_s=60.0, points=points)


def test_the_first_point_of_the_higher_level() -> None:
    assert onset_s(series(*[0.020, 0.021, 0.019] * 20, *[0.120, 0.118, 0.122] * 10)) == 3600.0


def test_a_steady_series_has_none() -> None:
    assert onset_s(series(*[0.020, 0.021, 0.019] * 30)) is None


def test_a_fall_is_no_onset() -> None:
    assert onset_s(series(*[0.120, 0.118, 0.122] * 20, *[0.020, 0.021, 0.019] * 10)) is None


def test_a_rise_that_is_over_is_no_onset_of_what_is_measured_now() -> None:
    found = series(*[0.020, 0.021, 0.019] * 20, *[0.120, 0.118, 0.122] * 10, *[0.020, 0.021, 0.019] * 5)
    assert onset_s(found) is None
    assert over_s(found) == 5400.0
    assert over_s(series(*[0.020, 0.021, 0.019] * 30)) is None


def test_what_was_as_high_before_is_no_onset_and_not_low_either() -> None:
    low, high = [0.020, 0.021, 0.019], [0.120, 0.118, 0.122]
    assert is_low(series(*low * 10))
    assert is_low(series(*low * 10, *high * 10, *low * 3))
    again = series(*low * 4, *high * 8, *low * 5, *high * 3)
    assert onset_s(again) is None
    assert not is_low(again)
    assert not is_low(series(*low))
