"""Whole evidence for tests: a window of ten seconds, and whatever sections the test names."""

from __future__ import annotations

from unslow.evidence import Evidence
from unslow.evidence.window import Target, Window


def evidence(**sections: object) -> Evidence:
    return Evidence(
        target=Target(name="http://127.0.0.1:8000/things", service="things", path="/things"),
        window=Window(start_s=1000.0, end_s=1010.0),
        **sections,  # type: ignore[arg-type]
    )
