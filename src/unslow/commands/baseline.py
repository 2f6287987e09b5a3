"""A URL or a workload measured while it is well."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from unslow.commands import EXIT_CAUSES, EXIT_HEALTHY, Commands, command, progress
from unslow.commands.sources import add_access, add_sources, looking_of

if TYPE_CHECKING:
    from unslow.diagnosis import Diagnosis


def add(commands: Commands) -> None:
    added = command(
        commands,
        "baseline",
        run,
        "Measure a URL or a workload while it is well, so that a later diagnosis can say what grew.",
        """\
  unslow baseline http://127.0.0.1:8000/items
  unslow baseline shop/gateway --path /items
  unslow baseline healthy.unslow
  unslow baseline URL --save healthy.unslow""",
    )
    added.add_argument(
        "target",
        metavar="URL|WORKLOAD|BUNDLE",
        help="a URL served on this machine, NAMESPACE/WORKLOAD, or a saved bundle",
    )
    added.add_argument("--save", type=Path, metavar="FILE", help="where to keep it (default: where diagnose finds it)")
    added.add_argument(
        "--replace", action="store_true", help="keep it in place of an earlier one even if it is not well now"
    )
    added.add_argument("--json", action="store_true", help="one JSON document")
    add_sources(added)
    add_access(added)


def run(arguments: argparse.Namespace) -> int:
    import msgspec

    from unslow import incident
    from unslow.errors import CannotLook

    looking = looking_of(arguments)
    evidence = msgspec.structs.replace(incident.gather(looking, progress(arguments), baseline=False), reference=None)
    diagnosis = incident.diagnose(evidence)
    if not diagnosis.account.requests:
        raise CannotLook(
            "a baseline without a response time tells nothing", "see what unslow diagnose could not look at, and why"
        )
    path = arguments.save or incident.baseline_path(evidence)
    stands = diagnosis.verdict != "healthy" and path.exists() and not arguments.replace
    if not stands:
        incident.save(path, evidence)
    if arguments.json:
        print(_document(diagnosis, path, saved=not stands))
    else:
        print("\n".join(_words(diagnosis, path, saved=not stands)))
    return EXIT_CAUSES if stands else EXIT_HEALTHY


def _document(diagnosis: Diagnosis, path: Path, *, saved: bool) -> str:
    import msgspec

    return msgspec.json.format(
        msgspec.json.encode(
            {
                "schema": "unslow.baseline/1",
                "target": diagnosis.target,
                "saved": saved,
                "path": str(path),
                "mean_ms": diagnosis.account.now_ms,
                "requests": diagnosis.account.requests,
                "verdict": diagnosis.verdict,
                "headline": diagnosis.headline,
            }
        )
    ).decode()


def _words(diagnosis: Diagnosis, path: Path, *, saved: bool) -> list[str]:
    measured = f"{diagnosis.account.now_ms:.1f} ms on average of {diagnosis.account.requests} requests"
    if not saved:
        return [
            f"not saved: {diagnosis.headline}",
            f"the earlier baseline in {path} stands; --replace puts this one ({measured}) in its place",
        ]
    doubt = [f"it may not be a good one: {diagnosis.headline}"] if diagnosis.verdict != "healthy" else []
    return [f"baseline saved in {path}: {measured}", *doubt]
