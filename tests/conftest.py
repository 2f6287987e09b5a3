"""What all tests share: generated cases are never judged by the clock."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("unslow", deadline=None)
settings.load_profile("unslow")
