"""Programs that run inside a pod: they import nothing of ours, have limits of their own, and clean up themselves."""

from __future__ import annotations

import secrets

PREFIX = "unslow"


def fresh_name(what: str) -> str:
    """An ephemeral container's name can never be used again in its pod."""
    return f"{PREFIX}-{what}-{secrets.token_hex(3)}"
