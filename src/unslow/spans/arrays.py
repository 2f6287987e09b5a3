"""One part of a Parquet source on arrays: DuckDB reads and hashes, NumPy walks the trees, damaged traces go through SQL."""

from __future__ import annotations

import ctypes
from typing import Any, NamedTuple

import numpy as np

from unslow.measure.span_tree import OVERRUN
from unslow.spans import source as records
from unslow.spans.array_path import own_and_path
from unslow.spans.array_tree import Ints, Tree, disturbed, parents, sums
from unslow.spans.forest import OPERATIONS, Counts, Part
from unslow.spans.session import DuckSession
from unslow.spans.totals import BUCKETS, CALLS, CLASSES, FANS, GAPS, OTHER, REPEATED, SHARES, TAIL, ensure

_MANY = 5_000_000
_MMAP_THRESHOLD, _TRIM_THRESHOLD = -3, -1  # their numbers in malloc.h
_NONE = TAIL + 1
"""The class of what is not counted."""


class Operations:
    """The table of operations as arrays sorted by `o`, and the classes of traces sorted by trace."""

    def __init__(self, session: DuckSession) -> None:
        _keep_memory()
        found = session.arrays(f"SELECT o, op, v, kind FROM {OPERATIONS} ORDER BY o")
        self.o, self.op, self.service = found["o"], found["op"], found["v"]
        kinds = np.asarray(found["kind"], dtype=object)
        self.server, self.client = kinds == "server", kinds == "client"
        self.producer, self.consumer = kinds == "producer", kinds == "consumer"
        classes = session.arrays(f"SELECT t, c FROM {CLASSES} ORDER BY t")
        self.traces, self.classes = classes["t"], classes["c"]


def _keep_memory() -> None:
    """Have the C library keep what arrays gave back: to get it from the kernel anew, zeroed, costs a seventh of all time."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # not every C library has it
    if mallopt is not None:
        for option, size in ((_MMAP_THRESHOLD, 1 << 30), (_TRIM_THRESHOLD, (1 << 31) - 1)):
            mallopt(option, size)


class Added(NamedTuple):
    """What became of a part."""

    traces: int
    hurt: Any
    """Traces that are left for SQL."""
    hurt_spans: int
    ended: bool
    """Whether the critical path got to the end of all."""


def add_up(
    part: Part, session: DuckSession, known: Operations, counts: Counts, tables: set[str], *, between: bool
) -> Added:
    """Add the sound traces of the part to the tables of `totals`.

    Returns how many they are, the others, how many spans these have, and whether the critical path got to its end.
    """
    select = records.resolved(session.dialect, part.source, part.where)
    rows = session.arrays(f"SELECT t, s, coalesce(p, 0) AS p, o, a, d FROM ({select}) one")
    expected = session.rows(records.size(part.source, part.where))[0][0]
    if len(rows["t"]) < expected:
        counts.excluded.update(dict(session.rows(records.flaws(part.source, part.where))))
    if not len(rows["t"]):
        return Added(0, rows["t"], 0, True)
    parent, damaged = parents(rows["s"], rows["p"])
    operation = np.searchsorted(known.o, rows["o"])
    tree = Tree(rows["t"], parent, operation, rows["a"], rows["d"])
    hurt = np.unique(np.concatenate([tree.trace[damaged], tree.trace[disturbed(tree, known.service)]]))
    if len(hurt):
        tree.leave_out(_of_runs(tree.trace, lambda one: np.isin(one, hurt)))
    ids = rows["s"]

    def texts(some: Ints) -> list[str]:
        session.take("unslow_tied", {"s": ids[some]})
        found: dict[int, str] = dict(
            session.rows(records.span_texts(session.dialect, part.source, part.where, "unslow_tied"))
        )
        return [str(found[one]) for one in ids[some].tolist()]

    at, up = tree.below, tree.up
    counts.repaired[OVERRUN] += int(((tree.start[at] < tree.start[up]) | (tree.end[at] > tree.end[up])).sum())
    unwaited = np.zeros(tree.size, dtype=np.bool_)
    if part.messages:
        unwaited[at] = known.producer[tree.operation[up]] & known.consumer[tree.operation[at]]
    own, path, whole = own_and_path(tree, unwaited, texts)
    _shares(session, tables, tree, known, own, path)
    _calls(session, tables, tree, known)
    if between:
        _gaps(session, tables, tree, known)
        _fans(session, tables, tree, known)
    traces = len(np.unique(_runs(tree.trace)[0])) - len(hurt)
    return Added(traces, hurt, int((~tree.sound).sum()), whole)


def _runs(traces: Any) -> tuple[Any, Ints]:
    """(value, length) of each run of one trace; in most files the spans of a trace lie together."""
    if not len(traces):
        return traces, np.zeros(0, dtype=np.int64)
    starts = np.flatnonzero(np.append(True, traces[1:] != traces[:-1]))
    return traces[starts], np.diff(np.append(starts, len(traces)))


def _of_runs(traces: Any, answer: Any) -> Any:
    values, lengths = _runs(traces)
    return np.repeat(answer(values), lengths)


def _shares(session: DuckSession, tables: set[str], tree: Tree, known: Operations, own: Ints, path: Ints) -> None:
    def classed(traces: Any) -> Any:
        if not len(known.traces):
            return np.full(len(traces), OTHER)
        place = np.minimum(np.searchsorted(known.traces, traces), len(known.traces) - 1)
        return np.where(known.traces[place] == traces, known.classes[place], OTHER)

    number = len(known.o)
    classes = np.where(tree.sound, _of_runs(tree.trace, classed), _NONE)
    key = classes.astype(np.int64) * number + tree.operation
    size = _NONE * number
    calls = np.bincount(key, minlength=size)[:size]
    there = np.flatnonzero(calls)
    _add(
        session,
        tables,
        SHARES,
        "CAST(c AS INTEGER) AS c, o, calls, own, path, entries",
        {
            "c": there // number,
            "o": known.o[there % number],
            "calls": calls[there],
            "own": sums(key, own, size)[there],
            "path": sums(key, path, size)[there],
            "entries": np.bincount(key[tree.parent < 0], minlength=size)[there],
        },
    )


def _calls(session: DuckSession, tables: set[str], tree: Tree, known: Operations) -> None:
    operation, duration = tree.operation[tree.sound], tree.duration[tree.sound]
    bucket = np.floor(np.log(duration + 1) * BUCKETS).astype(np.int64)
    wide = int(bucket.max(initial=0)) + 1
    key = operation * wide + bucket
    groups = np.arange(len(known.o) * wide)
    if len(groups) > _MANY:
        groups, key = np.unique(key, return_inverse=True)
    calls = np.bincount(key, minlength=len(groups))
    total = sums(key, duration, len(groups))
    there = np.flatnonzero(calls)
    columns = {"o": known.o[groups[there] // wide], "bucket": groups[there] % wide}
    _add(session, tables, CALLS, "o, bucket, calls, total", {**columns, "calls": calls[there], "total": total[there]})


def _gaps(session: DuckSession, tables: set[str], tree: Tree, known: Operations) -> None:
    at, up = tree.below, tree.up
    server, client = tree.operation[at], tree.operation[up]
    between = known.server[server] & known.client[client] & (known.service[server] != known.service[client])
    at, up = at[between], up[between]
    single = (np.bincount(up, minlength=tree.size)[up] == 1) & (tree.duration[at] <= tree.duration[up])
    at, up = at[single], up[single]
    key, inverse = np.unique(tree.operation[up] * len(known.o) + tree.operation[at], return_inverse=True)
    columns = {
        "o": known.op[key // len(known.o)],
        "callee": known.op[key % len(known.o)],
        "calls": np.bincount(inverse, minlength=len(key)),
        "total": sums(inverse, tree.duration[up] - tree.duration[at], len(key)),
    }
    _add(session, tables, GAPS, "o, callee, calls, total", columns)


def _fans(session: DuckSession, tables: set[str], tree: Tree, known: Operations) -> None:
    many = tree.children[tree.up] >= REPEATED
    at, up = tree.below[many], tree.up[many]
    distinct, same = np.unique(known.op, return_inverse=True)
    width = len(distinct)
    pairs, calls = np.unique(up * width + same[tree.operation[at]], return_counts=True)
    pairs, calls = pairs[calls >= REPEATED], calls[calls >= REPEATED]
    caller, callee = same[tree.operation[pairs // width]], pairs % width
    key, inverse = np.unique(caller * width + callee, return_inverse=True)
    most = np.zeros(len(key), dtype=np.int64)
    np.maximum.at(most, inverse, calls)
    columns = {
        "o": distinct[key // width],
        "callee": distinct[key % width],
        "callers": np.bincount(inverse, minlength=len(key)),
        "calls": sums(inverse, calls, len(key)),
        "most": most,
    }
    _add(session, tables, FANS, "o, callee, callers, calls, most", columns)


def _add(session: DuckSession, tables: set[str], table: str, select: str, columns: dict[str, Any]) -> None:
    session.take("unslow_taken", columns)
    ensure(session, tables, table, f"SELECT {select} FROM unslow_taken")
