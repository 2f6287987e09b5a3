"""The pipeline: a target -> evidence -> diagnosis."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import msgspec

from unslow import bundle
from unslow.diagnose import diagnose as diagnose
from unslow.errors import BadUsage
from unslow.evidence import Evidence
from unslow.redaction import redact_evidence
from unslow.settings import Looking


def gather(looking: Looking, progress: Callable[[str], None], *, baseline: bool = True) -> Evidence:
    """Evidence from a bundle, a URL on this machine or a workload, with the saved baseline when there is one."""
    if is_bundle(looking.target):
        return bundle.read(Path(looking.target))
    if "://" in looking.target and " " in looking.target:
        raise BadUsage(f"{looking.target!r} is no URL", "quote it, and escape spaces as %20")
    # Redacted and brought into the bundle's form once, here, so that a diagnosis made now and one made
    # from the file see the same texts and the same numbers (1 and 1.0 are different JSON).
    evidence = bundle.decode(bundle.encode(redact_evidence(_collector(looking.target)(looking, progress))))
    path = baseline_path(evidence)
    if baseline and looking.use_baseline and path.exists():
        return against(evidence, path)
    return evidence


def is_bundle(target: str) -> bool:
    """Whether it names a file; a workload's name is taken for a file only where there is one."""
    return not _is_url(target) and (target.endswith(".unslow") or Path(target).exists() or "/" not in target)


def _is_url(target: str) -> bool:
    return target.startswith(("http://", "https://"))


def _collector(target: str) -> Callable[[Looking, Callable[[str], None]], Evidence]:
    if _is_url(target):
        from unslow.collect import local

        return local.collect
    from unslow.collect import cluster

    return cluster.collect


def against(evidence: Evidence, baseline: Path) -> Evidence:
    """The same evidence with a saved baseline as its reference."""
    return compared(evidence, bundle.read(baseline))


def compared(evidence: Evidence, baseline: Evidence) -> Evidence:
    """The same evidence with other evidence of the same target as its reference."""
    return msgspec.structs.replace(evidence, reference=baseline)


def save(path: Path, evidence: Evidence) -> None:
    """Write a bundle; folders are made. Raises `BadUsage` where nothing can be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        bundle.write(path, evidence)
    except OSError as error:
        raise BadUsage(
            f"nothing can be written to {path}: {error.strerror}", "name another file: --save FILE"
        ) from error


def baseline_path(evidence: Evidence) -> Path:
    """Where the baseline of its target is kept: below $XDG_STATE_HOME, one file for each URL, or workload and route."""
    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    name = hashlib.sha256(_identity(evidence).encode()).hexdigest()[:16]
    return state / "unslow" / "baselines" / f"{name}.unslow"


def _identity(evidence: Evidence) -> str:
    """The same however the target was written: `deploy/NAME -n SPACE` is `SPACE/NAME`."""
    target, cluster = evidence.target, evidence.cluster
    if cluster is None or cluster.workload is None:
        return target.name
    return f"{cluster.context} {cluster.workload.namespace}/{cluster.workload.name} {target.path}"
