"""A situation for steps that only tell what is known: evidence, its diagnosis, and no cluster."""

from __future__ import annotations

import time
from typing import Any, cast

from unslow.diagnose import diagnose
from unslow.evidence import Evidence
from unslow.evidence.cluster import Cluster
from unslow.evidence.window import Target, Window
from unslow.kube.client import Client
from unslow.runbook.keeper import Keeper
from unslow.runbook.situation import Options, Situation

NOBODY = cast(Any, None)


def situation(
    client: Client = NOBODY, options: Options | None = None, cluster: Cluster | None = None, **sections: Any
) -> Situation:
    evidence = Evidence(
        target=Target(name="market/shop", kind="workload", service="shop", path="/"),
        window=Window(start_s=10_000.0, end_s=10_060.0),
        cluster=cluster or Cluster(),
        **sections,
    )
    return Situation(
        client=client,
        namespace="market",
        name="shop",
        kind="Deployment",
        evidence=evidence,
        diagnosis=diagnose(evidence),
        options=options or Options(),
        keeper=Keeper(client),
        deadline=time.monotonic() + 60.0,
        progress=lambda text: None,
    )
