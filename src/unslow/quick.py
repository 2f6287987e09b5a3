"""Loads msgspec without typing_extensions, half of its own time, which adds nothing here from Python 3.11 on.

Whatever needs typing_extensions later loads it as always.
"""

from __future__ import annotations

import sys

if "msgspec" not in sys.modules and "typing_extensions" not in sys.modules:
    # The import system's word for: is not there.
    sys.modules["typing_extensions"] = None  # type: ignore[assignment]
    try:
        import msgspec  # noqa: F401 - kept in sys.modules
    finally:
        del sys.modules["typing_extensions"]
