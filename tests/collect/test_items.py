from __future__ import annotations

import pytest

from tests import samples
from tests.evidences import evidence
from unslow.collect.items import items


def test_each_fact_has_a_command_a_unit_and_a_sample_size() -> None:
    facts = {item.id: item for item in items(samples.slow())}
    assert facts["requests.mean"].value == pytest.approx(100.0)
    assert (facts["requests.mean"].unit, facts["requests.mean"].n) == ("ms", 100)
    assert all(fact.command for fact in facts.values())
    assert "queries.plan.1" in facts


def test_ids_are_unique() -> None:
    ids = [item.id for item in items(samples.slow())]
    assert len(ids) == len(set(ids))


def test_what_is_absent_is_not_listed() -> None:
    assert items(evidence()) == ()
