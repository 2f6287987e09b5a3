"""Which requests are the tail and which are typical, each against the others that entered by the same operation."""

from __future__ import annotations

from unslow.spans import source as records
from unslow.spans.forest import OPERATIONS, SPANS
from unslow.spans.session import Session
from unslow.spans.totals import CLASSES, OTHER, TAIL, TYPICAL

ENTRIES = "unslow_entries"
"""Table of requests: (t, o, d)."""
TAIL_FROM, TYPICAL_FROM, TYPICAL_TO = 0.95, 0.25, 0.75
"""Shares of the requests of one entry operation, by duration (nearest rank)."""


def entries_of_source(session: Session, source: str, where: str) -> None:
    """The table `entries` out of the records that name no parent."""
    session.create(ENTRIES, records.entries(session.dialect, source, where))


def entries_of_forest() -> str:
    """The same out of a planted forest."""
    return f"SELECT t, o, d FROM {SPANS} WHERE p IS NULL"


def classify(session: Session) -> None:
    """Leave the table `classes`; a trace is classed by its longest request."""
    longest = f"""SELECT t, op, d FROM (SELECT t, op, d, row_number() OVER (
            PARTITION BY t ORDER BY d DESC, service, name, kind) AS place
          FROM {ENTRIES} one JOIN (SELECT o AS w, op, service, name, kind FROM {OPERATIONS}) own ON one.o = own.w) two
        WHERE place = 1"""
    ranked = f"""SELECT t, op, d, row_number() OVER (PARTITION BY op ORDER BY d) AS place,
        count(*) OVER (PARTITION BY op) AS n FROM ({longest}) three"""

    def at(share: float) -> str:
        return f"max(CASE WHEN place = ceil({share} * n) THEN d END) OVER (PARTITION BY op)"

    session.create(
        CLASSES,
        f"""SELECT t, CASE WHEN d >= d95 AND d > d75 THEN {TAIL} WHEN d >= d25 AND d <= d75 THEN {TYPICAL}
              ELSE {OTHER} END AS c
            FROM (SELECT t, d, {at(TYPICAL_FROM)} AS d25, {at(TYPICAL_TO)} AS d75, {at(TAIL_FROM)} AS d95
                  FROM ({ranked}) four) five""",
    )
