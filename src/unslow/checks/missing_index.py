"""A statement reads a whole table for a few rows.

Signature   a plan that scans a large table and keeps little of it, for a statement that takes the time
Look-alike  lock_wait: the same statement is slow because it waits; n_plus_one: many cheap calls;
            a report that really needs every row
Blind to    plans that depend on the parameters' values; statements that no counter was kept for
Reference   PostgreSQL documentation, "Using EXPLAIN"; the statement is planned, never executed
"""

from __future__ import annotations

from unslow.evidence.queries import Plan, Queries
from unslow.finding import Clear, Finding, Skipped
from unslow.measure.account import Account
from unslow.measure.significance import claim, is_excess, ms, total

CHEAPER = 0.5
"""An index that does not halve the planner's cost is not worth its writes."""
SELECTIVE = 0.1
"""A scan that keeps more than a tenth of the rows is hardly helped by an index."""


def check(queries: Queries, account: Account) -> Finding | Clear | Skipped:
    if queries.statements is None:
        return Skipped("pg_stat_statements", "CREATE EXTENSION pg_stat_statements (and preload its library)")
    helped = [plan for plan in queries.plans if would_help(plan)]
    if not helped:
        return Clear(f"{len(queries.plans)} plans read; none scans a large table for a few rows")
    ids = {plan.query_id for plan in helped}
    lines = tuple(line for line in account.of_kind("db query") if line.detail in ids)
    if not is_excess(account, lines, normal=False):
        return Clear(f"an index would help {len(helped)} statements, but they take {ms(total(lines))} a request")
    top = max(lines, key=lambda line: line.excess_s)
    plan = next(plan for plan in helped if plan.query_id == top.detail)
    table = plan.scans[0] if plan.scans else "a table"
    return Finding(
        title=f"no index serves a query on {table}",
        because=(
            f"{ms(total(lines))} a request in a plan that reads {plan.scanned_rows:,.0f} rows of {table}"
            + (f" and keeps {plan.kept_ratio * 100:.2g} %" if plan.kept_ratio is not None else "")
            + (
                f"; with an index the planner's cost falls {plan.cost:,.0f} -> {plan.index_cost:,.0f}"
                if plan.index_cost
                else ""
            )
        ),
        place=table,
        claims=claim(account, lines),
        confidence=0.9,
        next_steps=(
            plan.index or f"add an index on {table} for: {plan.text}",
            "on a busy table build it with CREATE INDEX CONCURRENTLY, outside a transaction",
        ),
        fixes=("create_index",),
        evidence=("queries.statements", f"queries.plan.{plan.query_id}"),
    )


def would_help(plan: Plan) -> bool:
    if not plan.index or not plan.scans:
        return False
    if plan.index_cost is not None:
        return plan.index_cost <= CHEAPER * plan.cost
    return plan.kept_ratio is not None and plan.kept_ratio <= SELECTIVE
