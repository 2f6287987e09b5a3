"""What must not drift: every check has a test and a page, the page quotes the check, and nothing knows the lab."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from unslow import checks
from unslow.cli import parser
from unslow.completion import commands

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "unslow"
NAMES = tuple(checks.all_checks())


@pytest.mark.parametrize("name", NAMES)
def test_a_check_has_a_test_with_a_positive_and_a_look_alike(name: str) -> None:
    text = (ROOT / "tests" / "checks" / f"test_{name}.py").read_text()
    verbs = "is_clear(" if name == "long_poll" else "finds("
    assert verbs in text
    assert text.count("def test_") >= 3


@pytest.mark.parametrize("name", NAMES)
def test_a_check_has_a_page_that_quotes_it(name: str) -> None:
    page = (ROOT / "docs" / "checks" / f"{name}.md").read_text()
    first, _, rest = checks.explain(name).partition("\n\n")
    assert first in page
    assert rest in page
    for heading in ("What it means", "When it is wrong", "Confirm it by hand", "Leave it out"):
        assert f"## {heading}" in page


def test_no_page_or_test_is_left_of_a_check_that_is_gone() -> None:
    pages = {path.stem for path in (ROOT / "docs" / "checks").glob("*.md")}
    tests = {path.stem.removeprefix("test_") for path in (ROOT / "tests" / "checks").glob("test_*.py")}
    assert pages == set(NAMES)
    assert tests - {"registry"} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_check_says_its_four_lines(name: str) -> None:
    text = checks.explain(name)
    for word in ("Signature", "Look-alike", "Blind to", "Reference"):
        assert re.search(rf"^{word} ", text, re.MULTILINE), word


LAB_WORDS = re.compile(r"\b(orders|payments?|api-gateway|unslow[./]lab)\b", re.IGNORECASE)


def _sources() -> list[Path]:
    return [path for path in SOURCE.rglob("*.py") if path.relative_to(SOURCE).parts[0] not in {"lab", "cli.py"}]


@pytest.mark.parametrize("path", _sources(), ids=lambda path: str(path.relative_to(SOURCE)))
def test_nothing_in_the_diagnosis_knows_the_lab(path: Path) -> None:
    tree = ast.parse(path.read_text())
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    words = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    assert not [word.value for word in words if id(word) not in prose and LAB_WORDS.search(word.value)]


def test_every_command_has_examples() -> None:
    for name, command in commands(parser()).items():
        assert f"unslow {name}" in (command.epilog or ""), name


def test_the_readme_names_only_commands_that_exist() -> None:
    named = set(re.findall(r"^unslow (\w[\w-]*)", (ROOT / "README.md").read_text(), re.MULTILINE))
    assert named <= set(commands(parser()))
    assert named


def test_no_shell_is_ever_started() -> None:
    for path in _sources():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.keyword) and node.arg == "shell":
                raise AssertionError(path)
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                assert (node.value.id, node.attr) not in {("os", "system"), ("os", "popen")}, path
