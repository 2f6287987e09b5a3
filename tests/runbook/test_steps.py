"""The order of the document, and what every step must be able to say."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from unslow import runbook
from unslow.runbook.page import lines
from unslow.runbook.step import Gap, Proposal, Step

ORDER = (
    "services", "pods", "latency", "connectivity", "utilisation", "slow_queries", "tracing", "capture", "dependencies",
    "history", "prevention",
)  # fmt: skip


def test_the_steps_are_those_of_the_document_in_its_order() -> None:
    assert runbook.STEPS == ORDER
    for name in ORDER:
        module = import_module(f"unslow.runbook.{name}")
        assert module.TITLE
        assert module.SECTION
        assert module.ASKS.endswith("?")
        assert callable(module.commands)
        assert callable(module.run)


def test_what_changes_something_is_named_where_it_is_allowed() -> None:
    folder = Path(runbook.__file__).parent
    allowed = [
        name for name in runbook.CHANGING if any(f'"{name}"' in file.read_text() for file in folder.glob("*.py"))
    ]
    assert allowed == list(runbook.CHANGING)


def test_a_step_on_the_terminal_names_command_result_meaning_gap_and_undo() -> None:
    step = Step(
        number=8,
        id="capture",
        title="Packet capture",
        section="Investigation 2",
        asks="Network or server?",
        commands=("tcpdump",),
        state="proposed",
        result=("12 packets",),
        means=("it is the server",),
        gaps=(Gap("NET_RAW", "allow it"),),
        proposals=(Proposal(name="capture", what="add a container", command="kubectl debug", undo="none"),),
        left=("container x",),
        took_s=1.0,
    )
    text = "\n".join(lines(step))
    for word in ("8. Packet capture [proposed]", "$ tcpdump", "12 packets", "=> it is the server", "missing: NET_RAW",
                 "remedy: allow it", "--allow capture", "undo: none", "left: container x"):  # fmt: skip
        assert word in text
