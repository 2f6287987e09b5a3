"""Slow statements: in the logs of all containers, the previous ones too, and in the database's own counters."""

from __future__ import annotations

from unslow.evidence.queries import Queries
from unslow.runbook.situation import Situation, shortened, table
from unslow.runbook.step import Gap, Outcome

TITLE = "Slow database queries"
SECTION = "Warning Level Alerts 3"
ASKS = "Which statements are slow, in any container's log (also before a restart) and by the database's counters?"
LONGEST = 10
_COUNTERS = ("BY THE DATABASE'S COUNTERS", "CALLS", "MEAN MS", "TOTAL MS")


def commands(situation: Situation) -> tuple[str, ...]:
    namespace = situation.namespace
    return (
        f"kubectl logs -n {namespace} {situation.workload} --all-containers --prefix | grep -iE 'slow query|duration:'",
        f"kubectl logs -n {namespace} POD --all-containers --previous",
        "psql -c 'SELECT calls, mean_exec_time, query FROM pg_stat_statements ORDER BY total_exec_time DESC LIMIT 10'",
    )


def run(situation: Situation) -> Outcome:
    log, queries = situation.evidence.slow_log, situation.evidence.queries
    login = Gap(
        "the database's statement counters (pg_stat_statements)",
        f"kubectl port-forward -n {situation.namespace} svc/DATABASE 5432, then --postgres postgresql://...",
    )
    of_database = () if queries is not None else situation.gaps("queries") or (login,)
    gaps = (*situation.gaps("slow_log"), *of_database)
    result: list[str] = []
    means = list(situation.causes("slow_query", "missing_index", "n_plus_one", "lock_wait", "pool_exhausted"))
    if log is not None:
        result.append(f"{len(log.files)} logs, {log.lines} lines read; literals removed")
        rows = [
            (shortened(one.text, 90), str(one.count), f"{one.total_s / one.count * 1e3:.0f}", f"{one.max_s * 1e3:.0f}")
            for one in log.statements[:LONGEST]
            if one.count
        ]
        result += table(("IN LOGS", "COUNT", "MEAN MS", "MAX MS"), rows)
        if not log.statements:
            means.append(
                "No slow statement in the logs. That clears nothing unless slow-query logging is on "
                "(log_min_duration_statement, or the application's own)."
            )
    if queries is not None:
        result += table(_COUNTERS, _counters(queries))
    return Outcome(
        state="done" if log is not None or queries is not None else "unavailable",
        result=tuple(result),
        means=tuple(means),
        gaps=gaps,
    )


def _counters(queries: Queries) -> list[tuple[str, ...]]:
    costly = sorted((one for one in queries.statements or () if one.calls), key=lambda one: -one.exec_s)[:LONGEST]
    return [
        (shortened(one.text, 90), f"{one.calls:.0f}", f"{one.exec_s / one.calls * 1e3:.1f}", f"{one.exec_s * 1e3:.0f}")
        for one in costly
    ]
