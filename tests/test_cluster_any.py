"""Whatever a cluster shows, however odd, every check answers, and the account stays exact."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.checks.verbs import requests, sockets
from tests.evidences import evidence
from unslow.checks import all_checks, run
from unslow.diagnose import diagnose
from unslow.evidence.cluster import Cluster
from unslow.finding import Clear, Finding, Skipped
from unslow.measure.account import account

NUMBERS = st.one_of(st.sampled_from([0.0, 1.0, 0.5]), st.floats(0.0, 1e12, allow_nan=False))
WORDS = st.sampled_from(["", "a", "b", "node-a", "running", "exceeded quota", "TooManyReplicas", "cpu"])


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Any value of a field, small and odd ones first."""
    match kind:
        case msgspec.inspect.UnionType():
            return st.one_of(*[values(one) for one in kind.types])
        case msgspec.inspect.NoneType():
            return st.none()
        case msgspec.inspect.BoolType():
            return st.booleans()
        case msgspec.inspect.IntType():
            return st.integers(0, 5) | st.integers(0, 2**45)
        case msgspec.inspect.FloatType():
            return NUMBERS
        case msgspec.inspect.StrType():
            return WORDS
        case msgspec.inspect.LiteralType():
            return st.sampled_from(kind.values)
        case msgspec.inspect.VarTupleType():
            return st.lists(values(kind.item_type), max_size=3).map(tuple)
        case msgspec.inspect.TupleType():
            return st.tuples(*[values(one) for one in kind.item_types])
        case msgspec.inspect.StructType():
            fields = {field.name: values(field.type) for field in kind.fields}
            return st.fixed_dictionaries(fields).map(lambda some: kind.cls(**some))
    raise AssertionError(kind)


QUICK: Any = {
    "deadline": None,
    "suppress_health_check": list(HealthCheck),
    "phases": (Phase.explicit, Phase.reuse, Phase.generate),
}
"""A failing cluster is large: making it smaller would take minutes."""
CLUSTERS = values(msgspec.inspect.type_info(Cluster))


@settings(max_examples=100, **QUICK)
@given(cluster=CLUSTERS)
def test_every_check_answers_and_the_account_is_exact(cluster: Cluster) -> None:
    whole = evidence(cluster=cluster, requests=requests(*[200.0] * 20), sockets=sockets(queued=2.0))
    the_account = account(whole)
    for check in all_checks().values():
        assert isinstance(run(check, whole, the_account), Finding | Clear | Skipped)
    table = diagnose(whole).account
    assert sum(line.excess_ms for line in table.lines) + table.unexplained_ms == pytest.approx(table.excess_ms)
    assert all(line.excess_ms >= 0 for line in table.lines)
    assert table.unexplained_ms >= -1e-6


@settings(max_examples=40, **QUICK)
@given(cluster=CLUSTERS)
def test_without_any_response_time_nothing_is_claimed(cluster: Cluster) -> None:
    diagnosis = diagnose(evidence(cluster=cluster))
    assert all(cause.excess_ms == 0 for cause in diagnosis.causes)
