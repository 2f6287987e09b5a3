from __future__ import annotations

import numpy as np
import pytest

from unslow.measure.locate_series import order, scores


def test_the_series_that_leaves_its_range_is_first_and_constant_ones_are_left_out():
    rng = np.random.default_rng(1)
    table = rng.normal(10, 1, (5, 600))
    table[3, 300:] += 20
    table[1] = 7.0
    found = scores(table[:, :300], table[:, 300:])
    assert order(found)[0] == 3
    assert 1 not in order(found)
    quartiles = np.percentile(table[0, :300], [25, 50, 75])
    assert found[0] == pytest.approx((table[0, 300:].max() - quartiles[1]) / (quartiles[2] - quartiles[0]))


def test_gaps_are_left_out_of_the_range_and_nothing_at_all_has_no_score():
    table = np.array([[1.0, 2.0, 3.0, np.nan, 9.0, 5.0], [np.nan] * 6])
    found = scores(table[:, :4], table[:, 4:])
    assert found[0] == pytest.approx(7.0)
    assert order(found) == [0]


def test_blocks_do_not_change_the_scores(monkeypatch):
    table = np.random.default_rng(2).normal(0, 1, (50, 20))
    whole = scores(table[:, :10], table[:, 10:])
    monkeypatch.setattr("unslow.measure.locate_series.BLOCK", 60)
    assert (scores(table[:, :10], table[:, 10:]) == whole).all()


def test_different_numbers_of_series_are_refused():
    with pytest.raises(ValueError, match="2 series before and 3 after"):
        scores(np.zeros((2, 3)), np.zeros((3, 3)))
