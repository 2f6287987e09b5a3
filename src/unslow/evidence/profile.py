"""Wall-clock stacks of every worker thread, each with what the thread was doing."""

from __future__ import annotations

from typing import Literal

import msgspec

State = Literal["run", "gil", "lock", "io", "sleep", "disk", "gc", "unknown"]
"""run: running or runnable. gil, lock: futex inside / outside the interpreter. disk: reading, writing
or syncing a file. gc: collecting garbage."""


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    function: str
    file: str
    """Path as the interpreter knows it."""
    line: int
    calls: str = ""
    """Dotted name of the library function that this source line calls, when the source could be read: `re.sub`."""


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """Readings with the same stack, state and request route, added up."""

    stack: tuple[int, ...]
    """Indices into `Profile.frames`, outermost first."""
    state: State
    seconds: float
    """Thread-seconds."""
    route: str = ""
    """View function (`function (file)`) of the request that it belongs to; empty when none was seen or not in a request."""
    ours: float = 0.0
    """Thread-seconds of it that lay within a request which unslow itself had in flight."""


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    frames: tuple[Frame, ...]
    samples: tuple[Sample, ...]
    seconds: float
    """Wall-clock length of the recording."""
    rate_hz: float
    readings: int
    """Instants at which all threads were read."""
    lost_ratio: float = 0.0
    states_known: bool = True
    """False: /proc/PID/task/TID/syscall was not readable, so all states are `unknown` or `run`."""
    run_s: float | None = None
    """On-CPU seconds of request threads during the recording (schedstat)."""
    delay_s: float | None = None
    route: str = ""
    """The view function that serves the target URL, as found by coincidence with our own requests."""
    requests: Literal["sampled", "none"] = "sampled"
