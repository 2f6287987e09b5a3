from __future__ import annotations

import postgast
import pytest

from unslow.measure.index_candidates import Proposal, proposal
from unslow.measure.plans import Scan
from unslow.measure.tables import Column, Index, Name, Table

COLUMNS = {
    "id": Column("bigint", 1_000_000.0),
    "owner": Column("integer", 20_000.0),
    "status": Column("text", 3.0),
    "city": Column("text", 500.0),
    "sent": Column("timestamp with time zone", 900_000.0),
    "email": Column("character varying(80)", 1_000_000.0),
    "done": Column("boolean", 2.0),
    "body": Column("jsonb"),
}
STOP = Table(("public", "stop"), 5_000_000, {"parcel_id": Column("bigint", 1e6), "place": Column("text", 50.0)})


def parcel(*indexes: Index) -> Table:
    return Table(("public", "parcel"), 1_000_000, COLUMNS, indexes)


def proposed(text: str, *indexes: Index, table: str = "parcel", alias: str = "", joined: bool = False) -> Proposal:
    """Tables in `text` are written with their schema, as the catalog completes them."""
    tables: dict[Name, Table] = {("public", "parcel"): parcel(*indexes), STOP.name: STOP}
    rows = tables["public", table].rows
    scan = Scan(table=("public", table), alias=alias or table, rows=rows, kept_ratio=1e-4, joined=joined)
    return proposal(postgast.parse(text), scan, tables)


def definitions(found: Proposal) -> list[str]:
    return [each.ddl.partition(" ON ")[2] for each in found.indexes]


@pytest.mark.parametrize(
    ("where", "wanted"),
    [
        ("owner = $1", ["parcel (owner)"]),
        ("$1 = owner", ["parcel (owner)"]),
        ("owner = ANY($1)", ["parcel (owner)"]),
        ("owner IN ($1, $2)", ["parcel (owner)"]),
        ("parcel.owner = $1::int", ["parcel (owner)"]),
        ("owner IS NULL", ["parcel (owner)"]),
        ("status = $1 AND owner = $2", ["parcel (owner)"]),
        ("status = $1 AND city = $2", ["parcel (city, status)"]),
        ("city = $1 AND sent > $2", ["parcel (city, sent)", "parcel (city)"]),
        ("sent BETWEEN $1 AND $2", ["parcel (sent)"]),
        ("sent >= $1 AND sent < $2", ["parcel (sent)"]),
        ("city = $1 ORDER BY sent DESC LIMIT $2", ["parcel (city, sent)", "parcel (city)"]),
        ("city = $1 ORDER BY sent DESC, id LIMIT $2", ["parcel (city, sent DESC, id)", "parcel (city)"]),
        ("city = $1 AND id > $2 ORDER BY sent LIMIT $3", ["parcel (city, sent)", "parcel (city, id)", "parcel (city)"]),
        ("city = $1 ORDER BY sent", ["parcel (city)"]),
        ("city = $1 ORDER BY lower(email) LIMIT $2", ["parcel (city)"]),
        ("owner = $1 AND sent > $2 ORDER BY sent LIMIT $3", ["parcel (owner)"]),
        ("NOT done", ["parcel (done)"]),
        ("id = owner", []),
        ("owner = $1 OR city = $2", []),
        ("owner <> $1", []),
        ("owner IS NOT NULL", []),
        ("body = $1", []),
    ],
)
def test_columns(where: str, wanted: list[str]) -> None:
    assert definitions(proposed(f"SELECT * FROM public.parcel WHERE {where}")) == wanted


def test_a_page_without_condition() -> None:
    assert definitions(proposed("SELECT * FROM public.parcel ORDER BY sent DESC LIMIT $1")) == ["parcel (sent)"]


def test_everything_needs_no_index() -> None:
    assert proposed("SELECT count(*) FROM public.parcel") == Proposal()


def test_a_grouped_order_is_no_order_of_rows() -> None:
    text = "SELECT city, count(*) FROM public.parcel GROUP BY city ORDER BY city LIMIT $1"
    assert definitions(proposed(text)) == []


def test_aliases_subqueries_and_joins() -> None:
    text = (
        "SELECT * FROM public.parcel p JOIN public.stop s ON s.parcel_id = p.id"
        " WHERE p.owner = $1 AND EXISTS (SELECT 1 FROM public.stop t WHERE t.parcel_id = p.id AND t.place = $2)"
    )
    assert definitions(proposed(text, alias="p")) == ["parcel (owner)"]
    assert definitions(proposed(text, table="stop", alias="s", joined=True)) == ["stop (parcel_id)"]
    assert definitions(proposed(text, table="stop", alias="t")) == ["stop (place)"]


def test_a_column_without_alias_belongs_to_the_table_that_has_it() -> None:
    text = "SELECT * FROM public.parcel p, public.stop s WHERE parcel_id = p.id AND owner = $1"
    assert definitions(proposed(text, alias="p")) == ["parcel (owner)"]


def test_in_with_a_subquery_is_a_join() -> None:
    text = "SELECT * FROM public.stop WHERE parcel_id IN (SELECT id FROM public.parcel WHERE owner = $1)"
    assert definitions(proposed(text, table="stop", joined=True)) == ["stop (parcel_id)"]


def test_lower_gets_an_index_on_the_call() -> None:
    found = proposed("SELECT * FROM public.parcel WHERE lower(email) = $1", Index("by_email", ("email",)))
    assert definitions(found) == ["parcel (lower(email))"]
    assert found.indexes[0].full == "CREATE INDEX ON public.parcel (lower(email))"
    assert "cannot serve" in found.note


def test_a_call_that_no_index_can_hold() -> None:
    found = proposed("SELECT * FROM public.parcel WHERE date(sent) = $1")
    assert found.indexes == ()
    assert "range" in found.note


@pytest.mark.parametrize(
    ("where", "why"),
    [
        ("owner::text = $1", "cast"),
        ("email LIKE $1", "pg_trgm"),
        ("email ILIKE $1", "pg_trgm"),
        ("owner = $1 OR city = $2", "UNION"),
    ],
)
def test_what_keeps_an_index_from_being_used(where: str, why: str) -> None:
    found = proposed(f"SELECT * FROM public.parcel WHERE {where}")
    assert found.indexes == ()
    assert why in found.note


def test_an_index_that_exists() -> None:
    found = proposed("SELECT * FROM public.parcel WHERE owner = $1", Index("by_owner", ("owner", "sent")))
    assert found.indexes == ()
    assert "by_owner exists" in found.note


@pytest.mark.parametrize(
    "index", [Index("by", ("sent", "owner")), Index("by", ("owner",), partial=True), Index("by", ("(lower(email))",))]
)
def test_an_index_that_does_not_serve(index: Index) -> None:
    assert definitions(proposed("SELECT * FROM public.parcel WHERE owner = $1", index)) == ["parcel (owner)"]


def test_an_invalid_index_is_rebuilt() -> None:
    found = proposed("SELECT * FROM public.parcel WHERE owner = $1", Index("By_Owner", ("owner",), valid=False))
    assert [each.ddl for each in found.indexes] == ['REINDEX INDEX CONCURRENTLY "By_Owner"']
    assert found.indexes[0].full == ""
    assert "INVALID" in found.note
