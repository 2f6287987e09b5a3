"""What the kubelet said when a health probe failed, and whom that accuses."""

from __future__ import annotations

import re
from typing import Literal

from unslow.evidence.cluster import Container, Event, Events, Handler, Pod

REFUSED = "connection refused"
LATE = ("deadline exceeded", "timeout", "timed out")
MISSING_PAGE = re.compile(r"status ?code: 4\d\d")


def reported(pod: Pod, probe: Handler, events: Events | None) -> list[Event]:
    """Events of failures of this kind of probe in this pod."""
    word = f"{probe.kind} probe"
    unhealthy = events.of_reason("Unhealthy") if events else ()
    return [event for event in unhealthy if event.name == pod.name and word in event.message.lower()]


def last_words(pod: Pod, probe: Handler, events: Events | None) -> str:
    """In lower case; empty when nobody knows."""
    last = max(reported(pod, probe, events), key=lambda event: event.last_s, default=None)
    return (probe.message or (last.message if last else "")).lower()


def accuses(words: str) -> Literal["nobody listens", "the probe", "slowness", "the application", ""]:
    """Whom a failure accuses: a page that is not there or not allowed, the probe; its own error, the application."""
    if REFUSED in words:
        return "nobody listens"
    if any(word in words for word in LATE):
        return "slowness"
    if MISSING_PAGE.search(words):
        return "the probe"
    return "the application" if words else ""


def is_coming(pod: Pod, events: Events | None) -> bool:
    """Whether a pod that is not ready is still starting: no probe failed yet, or nobody listens there."""
    gates = [(one, probe) for one in pod.application for probe in one.probes if probe.kind != "liveness"]
    said = [accuses(last_words(pod, probe, events)) for _, probe in gates if has_failed(pod, probe, events)]
    return all(whom == "nobody listens" for whom in said) and all(map(_runs_or_waits, pod.application))


def has_failed(pod: Pod, probe: Handler, events: Events | None) -> bool:
    return bool(probe.failures) or bool(reported(pod, probe, events))


def _runs_or_waits(one: Container) -> bool:
    """Not one that crashes again and again."""
    return "BackOff" not in one.state and not one.state.startswith("Err")
