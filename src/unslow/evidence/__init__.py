"""What was measured: frozen, typed sections with the unit in every name.

Every section may be absent (`None`); a check names the sections it needs by its
parameters, so an absent one becomes `Skipped`, never a guess.
Times are Unix seconds (`*_s` with "start"/"end") or durations in seconds. Ratios are 0..1.
"""

from __future__ import annotations

import msgspec

from unslow.evidence.cache import Cache
from unslow.evidence.cluster import Cluster
from unslow.evidence.cpu import Cpu, Memory
from unslow.evidence.deploys import Deploys
from unslow.evidence.logs import SlowLog
from unslow.evidence.packets import Packets
from unslow.evidence.probe import Item, Probe
from unslow.evidence.profile import Profile
from unslow.evidence.queries import Queries
from unslow.evidence.requests import Requests, Timers
from unslow.evidence.series import Series
from unslow.evidence.servers import Server
from unslow.evidence.sockets import Sockets
from unslow.evidence.spans import Spans
from unslow.evidence.window import Target, Window

SCHEMA = "unslow.evidence/1"


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known of one target in one window; the content of a bundle."""

    schema: str = SCHEMA
    target: Target
    window: Window
    requests: Requests | None = None
    timers: Timers | None = None
    sockets: Sockets | None = None
    packets: Packets | None = None
    server: Server | None = None
    cpu: Cpu | None = None
    memory: Memory | None = None
    profile: Profile | None = None
    queries: Queries | None = None
    cache: Cache | None = None
    slow_log: SlowLog | None = None
    spans: Spans | None = None
    series: Series | None = None
    deploys: Deploys | None = None
    cluster: Cluster | None = None
    """Only of a target in Kubernetes; its parts are sections to the checks under their own names."""
    items: tuple[Item, ...] = ()
    """One entry per fact that a line or a cause may cite, with the command a person would type."""
    probes: tuple[Probe, ...] = ()
    """Every collector that ran, was skipped or failed, in order."""
    redacted: int = 0
    """How many secrets were removed before the first write."""
    reference: Evidence | None = None
    """The saved baseline that this window is held against, if there was one."""
