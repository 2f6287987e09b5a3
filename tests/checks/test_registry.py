"""What the registry itself decides."""

from __future__ import annotations

import pytest

from tests.checks.verbs import account, server, sockets
from tests.evidences import evidence
from tests.measure.test_without_stacks import COMPUTING
from unslow import checks
from unslow.evidence.probe import Probe
from unslow.finding import Clear, Skipped

SPLIT_BY_STACKS = sorted(name for name, check in checks.all_checks().items() if "profile" in checks.rests_on(check))


def outcome(name: str, **sections: object) -> object:
    return checks.run(checks.all_checks()[name], evidence(sockets=sockets(), **sections), account())


def test_many_checks_rest_on_the_stacks() -> None:
    assert {"sleeping_handler", "hot_function", "slow_downstream", "pool_exhausted"} <= set(SPLIT_BY_STACKS)


@pytest.mark.parametrize("name", SPLIT_BY_STACKS)
def test_nothing_is_clear_that_nobody_saw(name: str) -> None:
    refused = Probe(
        name="profile", rung="process", started_s=0.0, seconds=0.0, result="skipped", missing="ptrace", remedy="root"
    )
    assert outcome(name, probes=(refused,)) == Skipped("ptrace", "root")
    assert isinstance(outcome(name, profile=COMPUTING), Clear)


@pytest.mark.parametrize("name", SPLIT_BY_STACKS)
def test_greenlets_that_wait_have_no_stack(name: str) -> None:
    found = outcome(name, profile=COMPUTING, server=server(worker_class="gevent"))
    assert isinstance(found, Skipped)
    assert "switch between requests" in found.missing
