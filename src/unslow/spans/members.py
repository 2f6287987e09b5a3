"""Keep only the requests asked for: those into one service, those slower than some time."""

from __future__ import annotations

from unslow.spans.forest import HEAD, HEADS, KIDS, OPERATIONS, SPANS
from unslow.spans.session import Session
from unslow.spans.view import quoted

_TREE, _KEPT = "unslow_tree", "unslow_kept"


def keep(session: Session, service: str | None, slower_than_ns: int) -> None:
    """Make the entries that qualify the roots of the planted forest, and drop all that is not below one.

    An entry is a root, or the outermost span of the service on its way down from a root.
    """
    entering = "1 = 1" if service is None else f"v = {session.dialect.hashed(quoted(service))}"
    session.create(
        _TREE,
        f"""WITH RECURSIVE tree AS (
              SELECT s, CASE WHEN {entering} THEN s END AS entry
              FROM {SPANS} one JOIN (SELECT o AS w, v FROM {OPERATIONS}) own ON one.o = own.w WHERE p IS NULL
              UNION ALL
              SELECT kid.s AS s, CASE WHEN up.entry IS NOT NULL THEN up.entry WHEN {entering} THEN kid.s END AS entry
              FROM {SPANS} kid JOIN tree up ON kid.p = up.s JOIN (SELECT o AS w, v FROM {OPERATIONS}) own ON kid.o = own.w
            ) SELECT s, entry FROM tree WHERE entry IS NOT NULL""",
    )
    session.create(
        _KEPT,
        f"""SELECT s AS x, entry FROM {_TREE} WHERE entry IN
            (SELECT s FROM {SPANS} WHERE d >= {slower_than_ns} AND s IN (SELECT entry FROM {_TREE}))""",
    )
    session.create(
        SPANS,
        f"""SELECT t, s, CASE WHEN entry <> s THEN p END AS p, o, a, d, sd, f
            FROM {SPANS} one JOIN {_KEPT} kept ON one.s = kept.x""",
    )
    session.create(HEADS, f"SELECT s, t, o, a, d, sd FROM {SPANS} WHERE f = {HEAD}")
    session.remove(KIDS, "s", f"SELECT s FROM {KIDS} WHERE s NOT IN (SELECT x FROM {_KEPT} WHERE entry <> x)")
