"""One span of one trace, whatever format it came in."""

from __future__ import annotations

from typing import Literal

import msgspec

Kind = Literal["server", "client", "internal", "producer", "consumer", "unspecified"]
Status = Literal["unset", "ok", "error"]


class Span(msgspec.Struct, frozen=True, gc=False):
    """The canonical record; its fields are the columns of the view `spans`."""

    trace_id: str
    span_id: str
    parent_span_id: str | None
    service: str
    name: str
    kind: Kind
    start_ns: int
    """Unix nanoseconds, by the clock of the host that made it."""
    duration_ns: int
    status: Status = "unset"
    attributes: tuple[tuple[str, str], ...] = ()
    """Only those that say what was called and where; never bodies, headers, statements or query strings."""

    @property
    def end_ns(self) -> int:
        return self.start_ns + self.duration_ns
