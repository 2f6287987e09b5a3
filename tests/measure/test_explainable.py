from __future__ import annotations

import pytest

from tests.collect import hostile
from unslow.measure.explainable import RefusedError, vetted


@pytest.mark.parametrize(
    ("text", "written", "parameters"),
    [
        ("SELECT * FROM parcel WHERE owner = $1", "SELECT * FROM parcel WHERE owner = $1", 1),
        ("SELECT a FROM t WHERE b = 'x' LIMIT 5", "SELECT a FROM t WHERE b = $1 LIMIT $2", 2),
        ("SELECT a FROM t WHERE c > now() - interval $1", "SELECT a FROM t WHERE c > (now() - $1::interval)", 1),
        ("SELECT extract($1 FROM a), b FROM t WHERE c = $2", "SELECT extract ('day' FROM a), b FROM t WHERE c = $1", 1),
        ("SELECT a FROM t WHERE b = $1 FOR UPDATE SKIP LOCKED", "SELECT a FROM t WHERE b = $1", 1),
        ("SELECT a FROM t ORDER BY 1", "SELECT a FROM t ORDER BY 1", 0),
        ("VALUES (1), (2)", "VALUES ($1), ($2)", 2),
    ],
)
def test_what_is_planned(text: str, written: str, parameters: int) -> None:
    select = vetted(text)
    assert select.text() == written
    assert select.parameters == parameters


def test_tables_types_and_columns_are_named_for_the_catalog() -> None:
    select = vetted("WITH x AS (SELECT id FROM s.item) SELECT x.id, state::mood FROM x JOIN parcel USING (id)")
    assert sorted(node.relname for node in select.tables) == ["item", "parcel"]
    assert [node.names[-1].string.sval for node in select.types] == ["mood"]
    assert select.columns == {"id", "state"}


@pytest.mark.parametrize(
    "text",
    [
        "SELECT pg_sleep(1)",
        "SELECT public.lower(a) FROM t",
        "SELECT a OPERATOR(public.=) b FROM t",
        "SELECT a INTO b FROM t",
        "SELECT 1; SELECT 2",
        "",
        "not sql",
        "SELECT * FROM other.public.t",
        "SELECT a FROM t ORDER BY a USING <",
        "SELECT 'x'::s.mood",
        "SELECT $1::regclass::text FROM t WHERE a = 'x'::public.t",
        "DELETE FROM t",
        "SELECT " + " + ".join(["a"] * 3_000) + " FROM t",
        "SELECT * FROM " + ", ".join(f"t{n}" for n in range(13)),
        "SELECT a FROM t WHERE b IN (" + ", ".join(["1"] * 501) + ")",
        "SELECT a FROM t WHERE b = 'x' /*" + "x" * 20_000 + "*/",
    ],
)
def test_what_is_refused(text: str) -> None:
    with pytest.raises(RefusedError):
        vetted(text)


@pytest.mark.parametrize("effect", [each for each in hostile.IN_PLACE if "::" not in each])
def test_every_effect_is_refused_wherever_it_stands(effect: str) -> None:
    for around in hostile.AROUND:
        with pytest.raises(RefusedError):
            vetted(around.format(effect))


def test_the_reason_does_not_quote_the_statement() -> None:
    with pytest.raises(RefusedError) as caught:
        vetted("SELECT pg_read_file('secret')")
    assert str(caught.value) == "function pg_read_file"
