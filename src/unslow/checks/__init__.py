"""What can be diagnosed: one file per cause; the folder is the registry.

A check is one function `check` whose parameters are the sections it needs: evidence sections by
their names, and `account`. A parameter with a default is optional. Adding a cause adds a file here,
a test and a page, and edits nothing.
"""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module

from unslow.evidence import Evidence
from unslow.finding import Outcome, Skipped
from unslow.measure.account import Account

Check = Callable[..., Outcome]

REMEDIES = {
    "account": "let unslow send requests to the target, or give it a metrics page that times them",
    "requests": "let unslow send requests to the target",
    "timers": "expose a Prometheus page with a request duration histogram",
    "sockets": "run unslow on the machine that serves the URL",
    "server": "run unslow on the machine that serves the URL, as the same user or as root",
    "cpu": "run unslow on the machine that serves the URL",
    "memory": "run unslow on the machine that serves the URL, as the same user or as root",
    "profile": "allow py-spy to read the workers: run as root, or grant CAP_SYS_PTRACE",
    "queries": "give unslow a database login with pg_read_all_stats: --postgres DSN",
    "cache": "give unslow the cache's address: --redis URL",
    "slow_log": "point unslow to the log file: --log FILE",
    "spans": "export traces in OTLP to unslow, or give it a file: --spans FILE",
    "series": "give unslow a Prometheus server or a saved series: --prometheus URL, --series FILE",
    "deploys": "run unslow on the machine that serves the URL",
}
"""How to enable each section; the general form, when the collector itself did not say better."""


@cache
def all_checks() -> Mapping[str, Check]:
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return {name: import_module(f"{__name__}.{name}").check for name in names}


def explain(name: str) -> str:
    """The four lines of a check: Signature, Look-alike, Blind to, Reference."""
    return inspect.cleandoc(import_module(f"{__name__}.{name}").__doc__ or "")


def run(check: Check, evidence: Evidence, account: Account | None) -> Outcome:
    """Call the check with the sections it names; an absent one that it needs makes it `Skipped`."""
    needs = inspect.signature(check).parameters
    sections = {name: account if name == "account" else getattr(evidence, name) for name in needs}
    for name, section in sections.items():
        if section is None and needs[name].default is inspect.Parameter.empty:
            return _skipped(name, evidence)
    return check(**sections)


def _skipped(section: str, evidence: Evidence) -> Skipped:
    for probe in evidence.probes:
        if probe.name == section and probe.result != "ok":
            return Skipped(missing=probe.missing, remedy=probe.remedy)
    return Skipped(missing=f"no evidence of kind {section!r}", remedy=REMEDIES[section])
