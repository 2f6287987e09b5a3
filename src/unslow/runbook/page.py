"""The runbook on a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from unslow.runbook.step import Step

_WORDS = {"done": "", "proposed": " [proposed]", "changed": " [done as allowed]", "unavailable": " [not possible]"}


def lines(step: Step) -> Iterator[str]:
    """What it asks, the command for a person, the result, what it means, what is missing."""
    yield f"{step.number}. {step.title}{_WORDS[step.state]}   ({step.section})"
    yield f"   {step.asks}"
    for command in step.commands:
        yield f"   $ {command}"
    for line in step.result:
        yield f"     {line}"
    for line in step.means:
        yield f"   => {line}"
    for proposal in step.proposals:
        yield f"   ?? {proposal.what}"
        yield f"      allow it: --allow {proposal.name}    undo: {proposal.undo}"
    for gap in step.gaps:
        yield f"   -- missing: {gap.missing}"
        if gap.remedy:
            yield f"      remedy: {gap.remedy}"
    for line in step.left:
        yield f"   !! left: {line}"
    yield ""
