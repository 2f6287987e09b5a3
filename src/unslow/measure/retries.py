"""Time inside code that waits before trying again."""

from __future__ import annotations

from unslow.evidence.profile import Profile
from unslow.measure.stacks import has_retry, samples_of_route, stack_of


def retry_ratio(profile: Profile) -> float:
    """Share of the route's in-request time whose stack holds retry code: 0..1."""
    retrying = total = 0.0
    for sample in samples_of_route(profile):
        total += sample.seconds
        if has_retry(stack_of(profile, sample)):
            retrying += sample.seconds
    return retrying / total if total else 0.0
