"""Who of a service's pods gets requests."""

from __future__ import annotations

import msgspec

from unslow.evidence.cluster import Service

FEW = 0.5
"""Of the wanted pods: below it the others carry at least twice their share."""


class Coverage(msgspec.Struct, frozen=True, kw_only=True):
    service: str
    ready: int
    wanted: int
    serving_while_terminating: int

    @property
    def is_few(self) -> bool:
        return self.wanted > 0 and (self.ready == 0 or self.ready / self.wanted <= FEW)


def coverage(service: Service, wanted: int | None) -> Coverage:
    """`wanted`: pods that the workload should have; None: only what the slices show."""
    current = [one for one in service.endpoints if not one.terminating]
    pods = {one.pod or one.address for one in current}
    ready = {one.pod or one.address for one in current if one.ready}
    # A pod that leaves still answers while no other is ready: it is no part of what is wanted.
    leaving = {one.pod or one.address for one in service.endpoints if one.terminating and one.serving}
    return Coverage(
        service=service.name,
        ready=len(ready),
        wanted=max(len(pods), service.selects or 0 if wanted is None else wanted),
        serving_while_terminating=len(leaving),
    )


def misrouted(service: Service, *, unanswered: bool = False) -> str:
    """Why a service leads nowhere by its own definition; empty when it does not.

    `unanswered`: its pods run and are ready, and still none of our requests to its target port was answered.
    """
    if service.selector and service.selects == 0:
        chosen = ",".join(f"{key}={value}" for key, value in service.selector)
        return f"the selector {chosen} matches 0 pods"
    for port in service.ports:
        if port.matches is False:
            return f"port {port.port} leads to target port {port.target}, where 0 containers listen"
        if port.matches is None and unanswered:
            return f"port {port.port} leads to target port {port.target}, which 0 containers declare and where nothing answers"
    return ""
