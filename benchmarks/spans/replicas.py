"""Replicas of recorded traces as Parquet: each trace's time axis stretched 0.8 to 1.2 times, with new ids."""

from __future__ import annotations

from pathlib import Path

import duckdb

ROW_GROUP = 122_880


def write_replicas(data: Path, out: Path, spans: int) -> int:
    """Write about `spans` spans made from the trace CSV files below `data`; returns how many."""
    files = sorted(data.glob("trace/*.csv")) + sorted(data.glob("normal/*_trace.csv"))
    if not files:
        raise SystemExit(f"no trace CSV below {data}")
    with duckdb.connect(config={"memory_limit": "4GB", "threads": "2"}) as db:
        db.execute("SET enable_progress_bar = false")
        db.execute(
            """CREATE TABLE seed AS SELECT TraceID trace_id, SpanID span_id, nullif(ParentID, 'root') parent,
                 regexp_replace(PodName, '-[a-z0-9]+-[a-z0-9]+$', '') service, OperationName name,
                 CASE WHEN OperationName[1] = '/' THEN 'server' WHEN OperationName LIKE 'HTTP %' THEN 'client'
                      ELSE 'internal' END kind,
                 StartTimeUnixNano::BIGINT start_ns, EndTimeUnixNano::BIGINT end_ns,
                 min(StartTimeUnixNano::BIGINT) OVER (PARTITION BY TraceID) zero_ns
               FROM read_csv(?) QUALIFY row_number() OVER (PARTITION BY TraceID, SpanID ORDER BY EndTimeUnixNano) = 1
               ORDER BY zero_ns, trace_id, start_ns""",
            [[str(file) for file in files]],
        )
        row = db.execute("SELECT count(*) FROM seed").fetchone()
        assert row is not None
        copies = max(1, round(spans / row[0]))
        db.execute("SET preserve_insertion_order = true")
        db.execute(
            f"""COPY (
               SELECT md5(trace_id || r) trace_id, md5(span_id || r)[:16] span_id,
                 CASE WHEN parent IS NOT NULL THEN md5(parent || r)[:16] END parent_span_id, service, name, kind,
                 zero_ns + r * 3600000000000 + ((start_ns - zero_ns) * f)::BIGINT start_ns,
                 ((end_ns - zero_ns) * f)::BIGINT - ((start_ns - zero_ns) * f)::BIGINT duration_ns,
                 'unset' status, MAP {{}}::MAP(VARCHAR, VARCHAR) attributes
               FROM (SELECT seed.*, r, 0.8 + 0.4 * (hash(trace_id, r) % 1000003) / 1000003 f
                     FROM range({copies}) t(r), seed ORDER BY r, zero_ns, trace_id, start_ns)
             ) TO '{out}' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {ROW_GROUP})"""
        )
        return int(row[0]) * copies
