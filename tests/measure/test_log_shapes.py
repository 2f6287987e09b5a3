from __future__ import annotations

import pytest

from unslow.measure.log_shapes import shape


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT * FROM t WHERE a = 'it''s' AND b = 7", "SELECT * FROM t WHERE a = ? AND b = ?"),
        ("SELECT 1 WHERE id IN (1, 2,\n 3)", "SELECT ? WHERE id IN (?)"),
        ("UPDATE t2 SET x = $1", "UPDATE t2 SET x = ?"),
        ("SELECT col1 FROM table2", "SELECT col1 FROM table2"),
    ],
)
def test_literals_go_and_names_stay(text: str, expected: str) -> None:
    assert shape(text) == expected
