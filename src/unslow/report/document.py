"""The JSON document (schema `unslow.diagnosis/1`)."""

from __future__ import annotations

import msgspec

from unslow.diagnosis import Diagnosis


def render(diagnosis: Diagnosis) -> bytes:
    """The same bytes for the same diagnosis; ends with a newline."""
    return msgspec.json.format(msgspec.json.encode(diagnosis), indent=2) + b"\n"


def schema() -> dict[str, object]:
    """The JSON Schema of the document, published in `docs/schema/`."""
    return msgspec.json.schema(Diagnosis)
