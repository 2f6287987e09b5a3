"""Events about the workload, its pods and their nodes -> evidence."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from unslow.evidence.cluster import Event, Events
from unslow.kube import events as api

MOST = 400
"""The latest ones: a crash loop writes thousands."""


def concerning(
    found: Iterable[api.Event], names: Collection[tuple[str, str]], uids: Collection[str]
) -> list[api.Event]:
    """Of the given objects (kind and name), and of pods by uid: pods that are gone belong to the workload too."""
    return [
        event
        for event in found
        if event.involved_object.uid in uids or (event.involved_object.kind, event.involved_object.name) in names
    ]


def events(found: Iterable[api.Event]) -> Events:
    latest = sorted(found, key=lambda event: (event.last_s, event.metadata.name))[-MOST:]
    return Events(events=tuple(_event(event) for event in latest))


def _event(event: api.Event) -> Event:
    return Event(
        first_s=event.first_s,
        last_s=event.last_s,
        count=event.times,
        kind=event.involved_object.kind,
        name=event.involved_object.name,
        type="Warning" if event.type == "Warning" else "Normal",
        reason=event.reason or "",
        message=event.message or "",
    )
