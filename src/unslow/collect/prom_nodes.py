"""The counters of nodes from a Prometheus that scrapes node-exporter: raw samples, so that nothing is lost at restarts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from unslow.collect import promql
from unslow.collect.node_counters import GAUGES, MODES, RISING, Counter, Node, counter
from unslow.collect.prometheus_api import Api, Result, number
from unslow.errors import Unavailable
from unslow.kube import core

LOOK_S = 300.0
"""Scrapes may be a minute apart: fewer than two in a shorter time would be no difference at all."""
_NODE_LABELS = ("node", "kubernetes_node", "nodename", "instance", "exported_instance", "host")
_PORT = re.compile(r":\d+$")


def names_of(nodes: Iterable[core.Node]) -> dict[str, str]:
    """Name or address of a node -> its name."""
    found: dict[str, str] = {}
    for node in nodes:
        name = node.metadata.name
        found[name] = name
        for one in node.status.addresses or ():
            found.setdefault(one.address, name)
    return found


def counters(api: Api, names: Mapping[str, str], at_s: float) -> dict[str, Node]:
    """By node's name, those of `names`, over the last five minutes. Raises `Unavailable` when none is scraped."""
    scraped = _instances(api, names, at_s)
    if not scraped:
        raise Unavailable(
            f"node-exporter's metrics of the target's nodes at {api.name}",
            "scrape node-exporter (with the collectors conntrack, netstat, pressure), or allow the node rung: --allow node",
        )
    among = "|".join(re.escape(instance) for instance in sorted(scraped))
    wanted = "|".join((*GAUGES, *RISING))
    # Series without a mode match the empty alternative.
    modes = "|".join((*MODES, ""))
    query = f"{{__name__=~{promql.quoted(wanted)},mode=~{promql.quoted(modes)},instance=~{promql.quoted(among)}}}"
    by_node: dict[str, list[Counter]] = {}
    for one in api.instant(f"{query}[{promql.duration(LOOK_S)}]", at_s):
        made = _counter(one)
        node = scraped.get(one.metric.get("instance", ""))
        if made is not None and node is not None:
            by_node.setdefault(node, []).append(made)
    return {node: Node(tuple(found)) for node, found in by_node.items()}


def _instances(api: Api, names: Mapping[str, str], at_s: float) -> dict[str, str]:
    """Label `instance` of node-exporter -> node's name. It is asked of everyone which node it is on."""
    found: dict[str, str] = {}
    for one in api.instant("node_uname_info", at_s):
        instance = one.metric.get("instance", "")
        told = [one.metric.get(label, "") for label in _NODE_LABELS]
        node = next((names[word] for text in told for word in (text, _PORT.sub("", text)) if word in names), None)
        if instance and node is not None:
            found[instance] = node
    return found


def _counter(one: Result) -> Counter | None:
    read = [(at, value) for at, text in one.values if (value := number(text)) is not None]
    return counter(one.metric.get("__name__", ""), one.metric, read)
