"""What a node without free cores does to the services on it that the target calls.

The target's own threads say for how much of their runnable time they had no core. A called service on the same
nodes computes under the same scarcity: up to that share of the time spent on it is waiting for a core too.
"""

from __future__ import annotations

from collections.abc import Iterable

from unslow.evidence.cluster import Services
from unslow.evidence.cpu import Cpu
from unslow.finding import Claim
from unslow.measure.account import Account
from unslow.measure.cluster_claims import spread
from unslow.measure.significance import claim, floor_s, total

CALLED = ("downstream", "db query", "cache")


def without_core_ratio(cpu: Cpu | None) -> float:
    """Of the time in which request threads were runnable, the share without a core: 0..1; 0 when it was not read."""
    runnable = cpu.request_run_s + cpu.request_delay_s if cpu else 0.0
    return cpu.request_delay_s / runnable if cpu and runnable > 0 else 0.0


def is_beside(services: Services | None, nodes: Iterable[str]) -> bool:
    """Whether all endpoints of what the target calls are on these nodes."""
    called = [service for service in services.services if service.role == "dependency"] if services else []
    places = {one.node for service in called for one in service.endpoints}
    return bool(places) and places <= set(nodes)


def starved(account: Account | None, ratio: float) -> tuple[Claim, ...]:
    """Waiting for a core, measured, and that share of what the called services take; empty when it is not worth naming."""
    if account is None:
        return ()
    own = account.of_kind("cpu contended")
    there_s = ratio * sum(max(0.0, line.excess_s) for line in account.of_kind(*CALLED))
    if total(own) + there_s < floor_s(account, normal=False):
        return ()
    return (*claim(account, own), *spread(account, there_s, *CALLED))
