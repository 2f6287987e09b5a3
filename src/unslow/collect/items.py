"""The facts that lines and causes cite, each with the command a person would type to see it."""

from __future__ import annotations

from collections.abc import Iterator

from unslow.collect.items_cluster import cluster_items
from unslow.evidence import Evidence
from unslow.evidence.probe import Item


def items(evidence: Evidence) -> tuple[Item, ...]:
    """One entry per citable fact of the sections that are there, in a fixed order."""
    return tuple(
        item
        for part in (
            _requests,
            _timers,
            _sockets,
            _packets,
            _server,
            _cpu,
            _memory,
            _profile,
            _queries,
            _cache,
            _rest,
            cluster_items,
        )
        for item in part(evidence)
    )


def _requests(evidence: Evidence) -> Iterator[Item]:
    requests, url = evidence.requests, evidence.target.name
    if requests is None or not requests.due_s:
        return
    n = len(requests.due_s)
    command = f"curl -o /dev/null -s -w '%{{time_namelookup}} %{{time_connect}} %{{time_starttransfer}} %{{time_total}}\\n' '{url}'"
    yield Item(
        id="requests.mean",
        title="mean response time of our own requests",
        command=command,
        value=sum(requests.total_s) / n * 1e3,
        unit="ms",
        n=n,
    )
    failed = sum(status == 0 or status >= 500 for status in requests.status)
    yield Item(id="requests", title="requests that failed", command=command, value=float(failed), unit="requests", n=n)


def _timers(evidence: Evidence) -> Iterator[Item]:
    timers = evidence.timers
    if timers is None:
        return
    count = sum(timer.count for timer in timers.routes)
    yield Item(
        id="timers",
        title=f"requests counted by {timers.metric}",
        command=f"curl -s {timers.url} | grep {timers.metric}",
        value=count,
        unit="requests",
        n=timers.scrapes,
    )


def _sockets(evidence: Evidence) -> Iterator[Item]:
    sockets = evidence.sockets
    if sockets is None:
        return
    port = evidence.server.port if evidence.server else "PORT"
    yield Item(
        id="sockets.queue",
        title="requests waiting for a worker, mean",
        command=f"ss -ltn 'sport = :{port}'; ss -tn 'sport = :{port}'   # Recv-Q",
        value=sockets.accept_queue_mean + sockets.unread_mean,
        unit="requests",
        n=sockets.readings,
    )
    if sockets.requests_per_s is not None:
        yield Item(
            id="sockets.rate",
            title="requests a second, by the kernel",
            command=f"ss -tan 'sport = :{port}' | wc -l   # twice",
            value=sockets.requests_per_s,
            unit="1/s",
            n=sockets.readings,
        )
    if sockets.peers:
        yield Item(
            id="sockets.peers",
            title="what the application calls",
            command="ss -tnpi state established",
            value=", ".join(f"{peer.name} ({peer.kind}, {peer.address})" for peer in sockets.peers),
            n=sockets.readings,
        )


def _packets(evidence: Evidence) -> Iterator[Item]:
    packets = evidence.packets
    if packets is None:
        return
    yield Item(
        id="packets",
        title="segments sent again in the workers' network namespace",
        command="nstat -az TcpRetransSegs TcpOutSegs TcpExtTCPSynRetrans TcpExtTCPTimeouts",
        value=float(packets.retransmitted),
        unit="segments",
        n=packets.segments_out,
    )


def _server(evidence: Evidence) -> Iterator[Item]:
    server = evidence.server
    if server is None:
        return
    proxies = "".join(f"; {proxy.name} reads for {proxy.read_timeout_s} s" for proxy in server.proxies)
    yield Item(
        id="server.timeouts",
        title="workers and time-outs",
        command=f"ps -o pid,lstart,cmd --ppid {server.master_pid}",
        value=f"{server.workers} {server.worker_class} workers x {server.threads}, {server.timeout_s} s{proxies}",
        n=server.workers,
    )


def _cpu(evidence: Evidence) -> Iterator[Item]:
    cpu = evidence.cpu
    if cpu is None:
        return
    seconds = max(1, round(cpu.seconds))
    yield Item(
        id="cpu.throttled",
        title="throttled periods",
        command="cat /sys/fs/cgroup/cpu.stat   # of the workers' cgroup, twice",
        value=float(cpu.throttled_periods),
        unit="periods",
        n=cpu.periods,
    )
    yield Item(
        id="cpu.machine",
        title="cores of the machine in use",
        command="vmstat 1 10",
        value=cpu.machine_busy_ratio * 100,
        unit="%",
        n=seconds,
    )
    if cpu.busy_mean is not None:
        yield Item(
            id="cpu.busy",
            title="request threads inside a request, mean",
            command="cat /proc/PID/task/*/syscall   # again and again",
            value=cpu.busy_mean,
            unit="threads",
            n=seconds,
        )
    if cpu.gil_wait_mean is not None:
        yield Item(
            id="cpu.gil",
            title="request threads waiting for the interpreter lock, mean",
            command="cat /proc/PID/task/*/syscall   # futex inside libpython",
            value=cpu.gil_wait_mean,
            unit="threads",
            n=seconds,
        )


def _memory(evidence: Evidence) -> Iterator[Item]:
    memory = evidence.memory
    if memory is not None and memory.gc_ratio is not None:
        yield Item(
            id="memory.gc",
            title="time inside the garbage collector",
            command="python -c 'import gc; gc.set_debug(gc.DEBUG_STATS)'   # inside the application",
            value=memory.gc_ratio * 100,
            unit="%",
            n=memory.gc_readings,
        )


def _profile(evidence: Evidence) -> Iterator[Item]:
    profile = evidence.profile
    if profile is None:
        return
    pid = evidence.server.master_pid if evidence.server else "PID"
    yield Item(
        id="profile",
        title="thread-seconds sampled inside requests",
        command=f"py-spy record --idle --subprocesses --rate {profile.rate_hz:.0f} --pid {pid} --duration {profile.seconds:.0f} -o profile.svg",
        value=sum(sample.seconds for sample in profile.samples if sample.route),
        unit="s",
        n=profile.readings,
    )


def _queries(evidence: Evidence) -> Iterator[Item]:
    queries = evidence.queries
    if queries is None:
        return
    if queries.statements is not None:
        yield Item(
            id="queries.statements",
            title="statements executed in the window",
            command='psql -c "SELECT queryid, calls, total_exec_time, query FROM pg_stat_statements ORDER BY total_exec_time DESC"',
            value=sum(statement.calls for statement in queries.statements),
            unit="calls",
            n=len(queries.statements),
        )
    yield Item(
        id="queries.waits",
        title="sessions waiting for a lock, mean",
        command='psql -c "SELECT pid, wait_event_type, wait_event, pg_blocking_pids(pid), query FROM pg_stat_activity"',
        value=sum(wait.mean for wait in queries.waits if wait.wait_type == "Lock"),
        unit="sessions",
        n=queries.wait_readings,
    )
    yield Item(
        id="queries.connections",
        title="database connections in use",
        command="psql -c \"SELECT count(*), current_setting('max_connections') FROM pg_stat_activity\"",
        value=float(queries.connections),
        unit=f"of {queries.max_connections}",
        n=1,
    )
    for plan in queries.plans:
        yield Item(
            id=f"queries.plan.{plan.query_id}",
            title="planner's cost",
            command=f"EXPLAIN (GENERIC_PLAN) {plan.text}",
            value=plan.cost,
            unit="cost",
            n=1,
        )


def _cache(evidence: Evidence) -> Iterator[Item]:
    cache = evidence.cache
    if cache is None:
        return
    yield Item(
        id="cache.hits",
        title="cache look-ups that hit",
        command="redis-cli INFO stats | grep keyspace   # twice",
        value=cache.hits,
        unit="look-ups",
        n=int(cache.hits + cache.misses),
    )
    yield Item(
        id="cache.commands",
        title="time in cache commands",
        command="redis-cli INFO commandstats; redis-cli SLOWLOG GET 10",
        value=sum(command.exec_s for command in cache.commands) * 1e3,
        unit="ms",
        n=int(sum(command.calls for command in cache.commands)),
    )


def _rest(evidence: Evidence) -> Iterator[Item]:
    if evidence.slow_log is not None:
        yield Item(
            id="slow_log",
            title="slow statements in log files",
            command=f"unslow slow-log {' '.join(evidence.slow_log.files) or 'FILE'}",
            value=float(sum(statement.count for statement in evidence.slow_log.statements)),
            unit="lines",
            n=evidence.slow_log.lines,
        )
    if evidence.series is not None:
        yield Item(
            id="series",
            title="mean response time over time",
            command=f"promtool query range {evidence.series.source} '{evidence.series.query}'",
            value=float(len(evidence.series.points)),
            unit="points",
            n=len(evidence.series.points),
        )
    if evidence.deploys is not None:
        yield Item(
            id="deploys",
            title="changes on this machine",
            command="find . -name '*.py' -newermt '-1 hour'; ps -o lstart,cmd",
            value=float(len(evidence.deploys.changes)),
            unit="changes",
            n=len(evidence.deploys.changes),
        )
    if evidence.spans is not None:
        yield Item(
            id="spans",
            title="spans read",
            command=f"unslow diagnose URL --spans {evidence.spans.source}",
            value=float(evidence.spans.spans),
            unit="spans",
            n=evidence.spans.traces,
        )
