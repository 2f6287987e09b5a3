"""Jaeger JSON made of replicas of recorded traces: the time axis of each stretched, ids new, whole microseconds."""

from __future__ import annotations

import csv
import json
import random
from collections import defaultdict
from pathlib import Path

LEAST, MOST = 0.8, 1.2


def write(folder: Path, out: Path, traces: int) -> int:
    """Replicas of the traces below `folder` (`*_trace.csv`), in turn; returns the number of spans written."""
    chance = random.Random(traces)
    originals = _originals(folder)
    spans = 0
    with out.open("w") as file:
        file.write('{"data":[\n')
        for number in range(traces):
            trace = _replica(originals[number % len(originals)], chance)
            spans += len(trace["spans"])
            file.write(json.dumps(trace, separators=(",", ":")) + (",\n" if number + 1 < traces else "\n"))
        file.write("]}\n")
    return spans


def _originals(folder: Path) -> list[list[dict]]:
    """Traces with one root and distinct span ids: the others look at one part of them only, each at its own."""
    rows: dict[str, list[dict]] = defaultdict(list)
    for path in sorted(folder.rglob("*_trace.csv")):
        with path.open() as file:
            for row in csv.DictReader(file):
                rows[row["TraceID"]].append(row)
    return [spans for spans in rows.values() if _is_whole(spans)]


def _is_whole(spans: list[dict]) -> bool:
    ids = {row["SpanID"] for row in spans}
    roots = [row for row in spans if row["ParentID"] not in ids]
    return len(roots) == 1 and len(ids) == len(spans)


def _replica(rows: list[dict], chance: random.Random) -> dict:
    stretch = chance.uniform(LEAST, MOST)
    begin = min(int(row["StartTimeUnixNano"]) for row in rows)
    trace_id = f"{chance.getrandbits(128):032x}"
    ids = {row["SpanID"]: f"{chance.getrandbits(64):016x}" for row in rows}
    processes: dict[str, str] = {}
    spans = []
    for row in rows:
        service = row["PodName"].rsplit("-", 2)[0]
        process = processes.setdefault(service, f"p{len(processes) + 1}")
        start = int(row["StartTimeUnixNano"])
        above = ids.get(row["ParentID"])
        from_us, to_us = (
            begin // 1000 + round((at - begin) * stretch / 1000) for at in (start, int(row["EndTimeUnixNano"]))
        )
        spans.append(
            {
                "traceID": trace_id,
                "spanID": ids[row["SpanID"]],
                "operationName": row["OperationName"],
                "references": [{"refType": "CHILD_OF", "traceID": trace_id, "spanID": above}] if above else [],
                "startTime": from_us,
                "duration": to_us - from_us,
                "tags": [],
                "logs": [],
                "processID": process,
                "warnings": None,
            }
        )
    return {
        "traceID": trace_id,
        "spans": spans,
        "processes": {key: {"serviceName": name, "tags": []} for name, key in processes.items()},
    }
