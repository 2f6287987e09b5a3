"""Where the engines' SQL differs: hashing and the walk over a list; all else is said once for all of them."""

from __future__ import annotations

import msgspec


class Dialect(msgspec.Struct, frozen=True):
    """SQL templates of one engine."""

    name: str
    hash: str
    """A 64-bit integer of some texts, which go to `{}`."""
    text: str
    """A text that may be NULL, as the hash takes it."""
    kids: str
    """Aggregate of rows (lo, hi, a, s, sid): a list that falls by `hi`, then rises by `a`, then by `sid`."""
    taken: str
    """The ids `s` met when `kids` is walked backwards, each ending before the last one met began, as a list.

    `reached` is the instant before which the first must end.
    """
    each: str
    """An expression in the select list that gives one row per element of the list `taken`."""

    def hashed(self, *columns: str) -> str:
        return self.hash.format(", ".join(columns))


DUCKDB = Dialect(
    name="DuckDB",
    hash="hash({})",
    text="{}",
    kids="list({'lo': lo, 'hi': hi, 'ids': [s]} ORDER BY hi DESC, a, sid)",
    taken=(
        "list_reduce(kids, lambda acc, one: CASE WHEN one.hi < acc.lo"
        " THEN {'lo': one.lo, 'hi': acc.hi, 'ids': list_concat(acc.ids, one.ids)} ELSE acc END,"
        " {'lo': reached, 'hi': reached, 'ids': []::UBIGINT[]}).ids"
    ),
    each="unnest(taken)",
)

CLICKHOUSE = Dialect(
    name="ClickHouse",
    hash="assumeNotNull(sipHash64({}))",
    text="coalesce({}, '')",
    kids="arraySort(one -> (-one.2, one.4, one.5), groupArray((lo, hi, [s], a, sid)))",
    taken=(
        "arrayFold((acc, one) -> if(one.2 < acc.1, (one.1, arrayConcat(acc.2, one.3)), acc),"
        " kids, (reached, emptyArrayUInt64())).2"
    ),
    each="arrayJoin(taken)",
)

SPARK = Dialect(
    name="Spark",
    hash="xxhash64({})",
    text="coalesce({}, '')",
    kids=("array_sort(collect_list(struct(-hi AS back, a, sid, lo, hi, array(s) AS ids)))"),
    taken=(
        "aggregate(kids, struct(reached AS lo, cast(array() AS array<bigint>) AS ids), (acc, one) ->"
        " CASE WHEN one.hi < acc.lo THEN struct(one.lo AS lo, concat(acc.ids, one.ids) AS ids) ELSE acc END).ids"
    ),
    each="explode(taken)",
)
