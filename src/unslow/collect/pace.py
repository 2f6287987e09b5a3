"""How often something costly may be read, so that looking is not what makes the service slow."""

from __future__ import annotations

import os
import time

from unslow.collect import processes

FASTEST_PER_S = 20.0
LEAST_SHARE = 0.01
"""Of one core, that reading may always take: on a full machine each reading displaces the service."""
IDLE_SHARE = 0.02
"""Of the cores that nobody uses, that reading may take beyond it."""
LOOK_AGAIN_S = 0.5
"""Between two looks at how busy the machine is."""


class Pace:
    """`is_due()` before a reading, `took(cost)` after it; how idle the machine is comes from /proc/stat."""

    def __init__(self) -> None:
        self._due_s = 0.0
        self._looked_s = time.monotonic()
        self._idle_ticks = idle_ticks()
        self._idle_cores = 0.0

    def is_due(self) -> bool:
        return time.monotonic() >= self._due_s

    def took(self, cost_s: float) -> None:
        """A reading took `cost_s` of CPU, seconds."""
        elapsed_s = time.monotonic() - self._looked_s
        if elapsed_s >= LOOK_AGAIN_S:
            ticks = idle_ticks()
            self._idle_cores = (ticks - self._idle_ticks) / TICKS_PER_S / elapsed_s
            self._looked_s, self._idle_ticks = time.monotonic(), ticks
        self._due_s = time.monotonic() + pause_s(cost_s, self._idle_cores)


def pause_s(cost_s: float, idle_cores: float) -> float:
    """The longer of the fastest pace's pause and what the share allows, less the reading itself; seconds."""
    allowed_share = LEAST_SHARE + IDLE_SHARE * max(0.0, idle_cores)
    return max(1.0 / FASTEST_PER_S, cost_s / allowed_share) - cost_s


TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def idle_ticks() -> int:
    """Ticks in which a core had nothing to do, or nothing that would not give way; 0 where the kernel does not say."""
    text = processes.read(processes.PROC / "stat")
    if not text:
        return 0
    _, _, nice, _, idle, waiting, *_ = text.split("\n", 1)[0].split()
    return int(nice) + int(idle) + int(waiting)
