"""Who keeps request threads, and the interpreter, busy."""

from __future__ import annotations

from collections import defaultdict

from unslow.evidence.profile import Profile
from unslow.measure.in_app import KIND_OF_STACK
from unslow.measure.stacks import in_request, place_of, stack_of


def occupancy(profile: Profile) -> dict[str, float]:
    """Thread-seconds of requests of all routes by account kind, waiting for a client's bytes included."""
    held: dict[str, float] = defaultdict(float)
    for sample in profile.samples:
        stack = stack_of(profile, sample)
        place = place_of(stack, sample.state)
        if in_request(stack) or place.kind == "client_io":
            held[KIND_OF_STACK[place.kind]] += sample.seconds
    return dict(held)


def busiest_outside_requests(profile: Profile) -> str:
    """The innermost function of the running thread that serves no request; empty when none computes."""
    running: dict[str, float] = defaultdict(float)
    for sample in profile.samples:
        stack = stack_of(profile, sample)
        if stack and sample.state in {"run", "gil"} and not in_request(stack):
            running[f"{stack[-1].function} ({stack[-1].file})"] += sample.seconds
    if not running:
        return ""
    place, seconds = max(running.items(), key=lambda item: (item[1], item[0]))
    return place if seconds >= BUSY_RATIO * profile.seconds else ""


BUSY_RATIO = 0.1
"""A thread that computes less than a tenth of the time does not hold up the others."""
