"""CRISP's critical path of every trace of one file: microseconds by service and operation, as JSON.

    jaeger_crisp.py CRISP_FOLDER FILE
Its own classes on its own path; touching or overlapping calls are told apart exactly (allowance 0).
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, sys.argv[1])
sys.setrecursionlimit(100_000)

from crisp.configuration import AnalysisConfig, set_config  # noqa: E402
from crisp.graph import Graph  # noqa: E402

set_config(AnalysisConfig(overlap_allowance_fraction=0.0))
totals: Counter[str] = Counter()
document = json.loads(Path(sys.argv[2]).read_bytes())
for trace in document["data"]:
    root = next(span for span in trace["spans"] if not span["references"])
    service = trace["processes"][root["processID"]]["serviceName"]
    graph = Graph({"data": [trace]}, service, root["operationName"], filename=sys.argv[2])
    metrics, _ = graph.accumeCPMetrics(graph.findCriticalPath(), trace["traceID"], graph.rootNode)
    for path, values in metrics.profile.items():
        totals[path.rsplit("->", 1)[-1]] += values.excl
print(json.dumps(dict(sorted(totals.items()))))
