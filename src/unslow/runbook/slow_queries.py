"""Slow statements: in the logs of all containers, in Loki's for pods that are gone, and in the database's own counters."""

from __future__ import annotations

import time

from unslow.collect import loki
from unslow.errors import Unavailable
from unslow.evidence.logs import SlowLog
from unslow.evidence.queries import Queries
from unslow.evidence.window import Window
from unslow.runbook import monitoring
from unslow.runbook.situation import Situation, shortened, table
from unslow.runbook.step import Gap, Outcome

TITLE = "Slow database queries"
SECTION = "Warning Level Alerts 3"
ASKS = "Which statements are slow, in any container's log (also before a restart) and by the database's counters?"
LONGEST = 10
SINCE_S = 3600.0
_COUNTERS = ("BY THE DATABASE'S COUNTERS", "CALLS", "MEAN MS", "TOTAL MS")


def commands(situation: Situation) -> tuple[str, ...]:
    namespace = situation.namespace
    return (
        f"kubectl logs -n {namespace} {situation.workload} --all-containers --prefix | grep -iE 'slow query|duration:'",
        f"kubectl logs -n {namespace} POD --all-containers --previous",
        f'logcli query \'{{namespace="{namespace}",pod=~"{situation.name}-.*"}} |~ "slow query|duration:"\'',
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
    kept, of_loki = _kept(situation)
    gaps = (*gaps, *of_loki)
    means = list(situation.causes("slow_query", "missing_index", "n_plus_one", "lock_wait", "pool_exhausted"))
    if log is not None:
        result.append(f"{len(log.files)} logs, {log.lines} lines read; literals removed")
        result += _statements("IN LOGS", log)
        if not log.statements and not (kept and kept.log.statements):
            means.append(
                "No slow statement in the logs. That clears nothing unless slow-query logging is on "
                "(log_min_duration_statement, or the application's own)."
            )
    if kept is not None:
        more = " (the newest: there are more)" if kept.cut else ""
        result.append(f"Loki: {kept.log.lines} lines of the last hour name a slow statement{more}")
        result += _statements("IN LOKI", kept.log)
    if queries is not None:
        result += table(_COUNTERS, _counters(queries))
    return Outcome(
        state="unavailable" if log is None and queries is None and kept is None else "done",
        result=tuple(result),
        means=tuple(means),
        gaps=gaps,
    )


def _statements(title: str, log: SlowLog) -> tuple[str, ...]:
    rows = [
        (shortened(one.text, 90), str(one.count), f"{one.total_s / one.count * 1e3:.0f}", f"{one.max_s * 1e3:.0f}")
        for one in log.statements[:LONGEST]
        if one.count
    ]
    return table((title, "COUNT", "MEAN MS", "MAX MS"), rows)


def _kept(situation: Situation) -> tuple[loki.Found | None, tuple[Gap, ...]]:
    """What Loki keeps. That there is none is only a gap where the containers' logs could not be read either."""
    situation.progress("asking Loki")
    now = time.time()
    try:
        with monitoring.logs(situation) as (address, login):
            window = Window(start_s=now - SINCE_S, end_s=now)
            return loki.slow_log(address, login, situation.namespace, situation.name, window), ()
    except Unavailable as error:
        wanted = situation.options.loki or situation.evidence.slow_log is None
        return None, (Gap(error.missing, error.remedy),) if wanted else ()


def _counters(queries: Queries) -> list[tuple[str, ...]]:
    costly = sorted((one for one in queries.statements or () if one.calls), key=lambda one: -one.exec_s)[:LONGEST]
    return [
        (shortened(one.text, 90), f"{one.calls:.0f}", f"{one.exec_s / one.calls * 1e3:.1f}", f"{one.exec_s * 1e3:.0f}")
        for one in costly
    ]
