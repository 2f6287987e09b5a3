"""Events in the core form, which holds those of both APIs; texts and times may be missing."""

from __future__ import annotations

from datetime import datetime

import msgspec

from unslow.kube.client import Client
from unslow.kube.meta import Meta

_PAGE = 2000
"""Small objects: most namespaces' events are one page."""


class Involved(msgspec.Struct, frozen=True, rename="camel"):
    kind: str = ""
    name: str = ""
    namespace: str = ""
    uid: str = ""
    field_path: str = ""


class Series(msgspec.Struct, frozen=True, rename="camel"):
    count: int = 1
    last_observed_time: datetime | None = None


class Source(msgspec.Struct, frozen=True):
    component: str = ""
    host: str = ""


class Event(msgspec.Struct, frozen=True, rename="camel"):
    metadata: Meta
    involved_object: Involved = Involved()
    reason: str | None = None
    message: str | None = None
    type: str | None = None
    first_timestamp: datetime | None = None
    last_timestamp: datetime | None = None
    event_time: datetime | None = None
    count: int | None = None
    series: Series | None = None
    source: Source = Source()

    @property
    def first_s(self) -> float:
        moment = self.first_timestamp or self.event_time or self.metadata.creation_timestamp
        return moment.timestamp() if moment else 0.0

    @property
    def last_s(self) -> float:
        observed = self.series.last_observed_time if self.series else None
        moment = observed or self.last_timestamp or self.event_time
        return moment.timestamp() if moment else self.first_s

    @property
    def times(self) -> int:
        return self.count or (self.series.count if self.series else 1)


def events(client: Client, namespace: str, *, fields: str = "") -> list[Event]:
    """Newest last. Empty namespace: of the whole cluster. Raises `ApiError`, `Unreachable`."""
    path = f"/api/v1/namespaces/{namespace}/events" if namespace else "/api/v1/events"
    where = f"in namespace {namespace}" if namespace else "in the whole cluster"
    found = client.items(path, Event, fields=fields, page=_PAGE, asked=f"list events {where}")
    return sorted(found, key=lambda event: event.last_s)
