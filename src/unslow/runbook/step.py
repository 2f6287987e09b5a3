"""What a step gives back."""

from __future__ import annotations

from typing import Literal

import msgspec

SCHEMA = "unslow.runbook/1"

State = Literal["done", "proposed", "changed", "unavailable"]


class Gap(msgspec.Struct, frozen=True):
    """Something that could not be looked at, and what would make it possible."""

    missing: str
    remedy: str


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """A change that was not made."""

    name: str
    """What `--allow` wants to hear."""
    what: str
    command: str
    undo: str


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """Result of a step, before it has its number and title."""

    state: State = "done"
    result: tuple[str, ...] = ()
    means: tuple[str, ...] = ()
    gaps: tuple[Gap, ...] = ()
    proposals: tuple[Proposal, ...] = ()
    left: tuple[str, ...] = ()
    """What could not be removed and ends by itself."""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    number: int
    id: str
    title: str
    section: str
    """Of the runbook's text."""
    asks: str
    commands: tuple[str, ...]
    """For a person."""
    state: State
    result: tuple[str, ...]
    means: tuple[str, ...]
    gaps: tuple[Gap, ...]
    proposals: tuple[Proposal, ...]
    left: tuple[str, ...]
    took_s: float


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """The whole runbook; what `--json` prints."""

    schema: str = SCHEMA
    target: str
    context: str
    started: str
    """RFC 3339, UTC."""
    verdict: Literal["slow", "healthy", "unknown"]
    headline: str
    steps: tuple[Step, ...]
    took_s: float
    requests: int
    """Sent to the API server."""
