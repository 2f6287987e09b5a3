from __future__ import annotations

import string

import postgast
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unslow.measure.statements import shape


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("SELECT * FROM t WHERE a = 'x' AND b IN (1, 2)", "SELECT * FROM t WHERE a = $1 AND b IN ($2, $3)"),
        ("SELECT * FROM t WHERE a = $1 LIMIT $2", "SELECT * FROM t WHERE a = $1 LIMIT $2"),
        ("SELECT a FROM t -- secret\n /* token=1 */ ORDER BY 1", "SELECT a FROM t ORDER BY 1"),
        ("SELECT a FROM t WHERE a IN ($1 /*, ... */)", "SELECT a FROM t WHERE a IN ($1)"),
        ('SELECT "it\'s" FROM t', 'SELECT "it\'s" FROM t'),
        ("SELECT 'é', x FROM t WHERE y = 'ü'", "SELECT $1, x FROM t WHERE y = $2"),
        ("ALTER ROLE bob PASSWORD 'secret'", "ALTER ROLE bob PASSWORD $1"),
        ("EXECUTE p(42, 'secret')", "EXECUTE p(?, ?)"),
        ("COPY t FROM '/home/bob/secret.csv'", "COPY t FROM ?"),
        ("DO $$ BEGIN PERFORM 'secret'; END $$", "DO $1"),
        ("NOTIFY c, 'secret'", "NOTIFY c, $1"),
        # What the parser refuses: cut short, other placeholders.
        ("SELECT * FROM t WHERE a = 'secre", "SELECT * FROM t WHERE a = ?"),
        ("SELECT * FROM t WHERE a = E'it\\'s secret", "SELECT * FROM t WHERE a = ?"),
        ("SELECT * FROM t WHERE a = $$secret", "SELECT * FROM t WHERE a = ?"),
        ("SELECT 'a', 17, col1, $2 FROM t WHERE", "SELECT ?, ?, col1, $2 FROM t WHERE"),
        ("SELECT * FROM t WHERE a = %s AND b = 'secret'", "SELECT * FROM t WHERE a = %s AND b = ?"),
        ("SELECT 1 /* secret", "SELECT ?"),
        ("", ""),
    ],
)
def test_shape(text: str, shown: str) -> None:
    assert shape(text) == shown


@given(st.text(string.ascii_letters + "'$\\\" é", min_size=1).map(lambda text: "Zq9" + text), st.integers(0, 60))
def test_no_literal_survives_even_when_the_statement_is_cut(secret: str, cut: int) -> None:
    literal = "'" + secret.replace("'", "''").replace("\\", "") + "'"
    text = f"SELECT a FROM t WHERE b = {literal} AND c = 12345678 ORDER BY d"
    for each in (text, text[: len(text) - cut]):
        assert "Zq9" not in shape(each)
        assert "12345678" not in shape(each)


@given(st.integers(), st.text(string.ascii_letters))
def test_one_shape_whatever_the_literals(number: int, word: str) -> None:
    text = f"SELECT a FROM t WHERE b = {abs(number)} AND c = '{word}'"
    assert shape(text) == "SELECT a FROM t WHERE b = $1 AND c = $2"
    assert postgast.fingerprint(shape(text)).hex == postgast.fingerprint(text).hex
