"""An event loop whose timers are good to microseconds, with any number of connections."""

from __future__ import annotations

import asyncio
import ctypes
import select
import selectors
from typing import Any

_PR_SET_TIMERSLACK = 29


def precise_loop() -> asyncio.AbstractEventLoop:
    """A new event loop; where the system has epoll, it waits by the microsecond."""
    if not hasattr(select, "epoll"):
        return asyncio.SelectorEventLoop()
    # The kernel may end a wait up to 50 us late to save wake-ups; ask this thread's waits to be exact.
    ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, 1)
    return asyncio.SelectorEventLoop(_EpollBehindSelect())


if hasattr(select, "epoll"):

    class _EpollBehindSelect(selectors.EpollSelector):
        """epoll rounds a wait up to whole milliseconds; select does not, but takes only 1,024 descriptors.

        So select waits for one descriptor, epoll's own, and epoll then tells which connections are ready.
        """

        def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, Any]]:
            if timeout is None or timeout > 0:
                select.select((self.fileno(),), (), (), timeout)
            return super().select(0)
