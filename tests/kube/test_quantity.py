from __future__ import annotations

import pytest

from unslow.kube.quantity import quantity, whole


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("250m", 0.25),
        ("496368n", 0.000496368),
        ("100u", 1e-4),
        ("2", 2.0),
        ("1.5", 1.5),
        ("2e3", 2000.0),
        ("1Gi", 2.0**30),
        ("128Mi", 2.0**27),
        ("1k", 1000.0),
        ("5G", 5e9),
        ("3E", 3e18),
        (2, 2),
        (None, None),
        ("", None),
        ("much", None),
        ("1X", None),
    ],
)
def test_quantities(text: str | int | None, value: float | None) -> None:
    assert quantity(text) == (pytest.approx(value) if value is not None else None)


def test_whole_bytes() -> None:
    assert whole("1.5Ki") == 1536
    assert whole(None) is None
