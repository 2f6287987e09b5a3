"""The kubelets' own readings of a workload's containers, from a Prometheus that scrapes them.

For whoever may not read the kubelets' pages: that right, nodes/proxy, is nearly root on the nodes, and a query is not.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from unslow.collect import promql
from unslow.collect.cluster_readings import RATES, Differences, KubeletPage, Sample
from unslow.collect.prometheus_api import Api, Result, number
from unslow.errors import Unavailable

LOOK_S = 180.0
"""At least two scrapes of the usual half a minute, and little from before the window."""


def differences(api: Api, namespace: str, pods: Collection[str], at_s: float) -> Differences:
    """Between the oldest and the newest sample of the last minutes. Raises `Unavailable` when there are none."""
    names = "|".join(re.escape(pod) for pod in sorted(pods))
    query = (
        f"{{__name__=~{promql.quoted('|'.join(RATES))},namespace={promql.quoted(namespace)},"
        f'pod=~{promql.quoted(names)},container!="",container!="POD",cpu=~"total|"}}[{promql.duration(LOOK_S)}]'
    )
    first, last = KubeletPage(), KubeletPage()
    for one in api.instant(query, at_s):
        _put(one, first, last)
    if not last.samples:
        raise Unavailable(
            f"cAdvisor's series of the pods at {api.name}", "let Prometheus scrape the kubelets' page /metrics/cadvisor"
        )
    return Differences(first, last)


def _put(one: Result, first: KubeletPage, last: KubeletPage) -> None:
    """Of two series of one container, as after its restart, the newer one."""
    labels = one.metric
    key = (labels.get("namespace", ""), labels.get("pod", ""), labels.get("container", "")), labels.get("__name__", "")
    read = [Sample(value, at) for at, text in one.values if (value := number(text)) is not None]
    known = last.samples.get(key)
    if read and (known is None or read[-1].at_s > known.at_s):
        first.samples[key], last.samples[key] = read[0], read[-1]
