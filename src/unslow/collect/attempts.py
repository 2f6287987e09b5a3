"""Runs collectors one by one and writes down what each could do; a failure becomes data."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from unslow.errors import Unavailable, UnslowError
from unslow.evidence.probe import Probe

T = TypeVar("T")


class Attempts:
    """The log of all collectors; `probes` becomes part of the evidence."""

    def __init__(self, progress: Callable[[str], None]) -> None:
        self.probes: list[Probe] = []
        self._progress = progress

    def run(self, name: str, rung: str, collect: Callable[[], T], *, doing: str = "") -> T | None:
        """What `collect` returns, or None with the reason and the remedy noted under `name`."""
        if doing:
            self._progress(doing)
        started, clock = time.time(), time.monotonic()
        missing = remedy = ""
        result: T | None = None
        outcome = "ok"
        try:
            result = collect()
        except Unavailable as error:
            outcome, missing, remedy = "skipped", error.missing, error.remedy
        except UnslowError:
            raise
        # The one broad catch: whatever a source does, the rest of the evidence is still wanted.
        except Exception as error:  # noqa: BLE001
            outcome, missing = "failed", f"{type(error).__name__}: {error}"[:300]
            remedy = "this collector met something it does not know; the other evidence stands"
        self.note(name, rung, started, time.monotonic() - clock, outcome, missing, remedy)
        return result

    def skip(self, name: str, rung: str, missing: str, remedy: str) -> None:
        self.note(name, rung, time.time(), 0.0, "skipped", missing, remedy)

    def note(
        self, name: str, rung: str, started_s: float, seconds: float, result: str, missing: str, remedy: str
    ) -> None:
        """Later news of the same collector replaces earlier news when that was good."""
        known = next((i for i, probe in enumerate(self.probes) if probe.name == name), None)
        probe = Probe(
            name=name,
            rung=rung,
            started_s=started_s,
            seconds=seconds,
            result=result,  # type: ignore[arg-type]
            missing=missing,
            remedy=remedy,
        )
        if known is None:
            self.probes.append(probe)
        elif self.probes[known].result == "ok":
            earlier = self.probes[known]
            self.probes[known] = Probe(
                name=name,
                rung=rung,
                started_s=earlier.started_s,
                seconds=earlier.seconds + seconds,
                result=probe.result,
                missing=missing,
                remedy=remedy,
            )
