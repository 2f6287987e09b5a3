from __future__ import annotations

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import jsonschema
import pytest

from tests import samples
from tests.evidences import evidence
from unslow.diagnose import diagnose
from unslow.diagnosis import Diagnosis
from unslow.report import document, html, markdown, terminal

SCHEMA = Path(__file__).parents[2] / "docs" / "schema" / "diagnosis-1.json"
PAYLOADS = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "javascript:alert(1)",
    "</style><script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "{{7*7}}",
    "<!--<script>",
    "' onmouseover='alert(1)",
    "<a href=https://evil.invalid>x</a>",
    "<iframe src=//evil.invalid>",
    "\x1b]0;owned\x07\x1b[31mred",
    "\u202egnp.exe",
    "<base href=//evil.invalid>",
    "<meta http-equiv=refresh content=0>",
)
DIAGNOSES = {
    "slow": lambda: diagnose(samples.slow()),
    "against a baseline": lambda: diagnose(samples.slow(reference=samples.healthy())),
    "healthy": lambda: diagnose(samples.healthy()),
    "unknown": lambda: diagnose(evidence()),
}


@pytest.mark.parametrize("kind", DIAGNOSES)
def test_the_document_follows_the_published_schema(kind: str) -> None:
    jsonschema.validate(json.loads(document.render(DIAGNOSES[kind]())), json.loads(SCHEMA.read_text()))


def test_the_published_schema_is_the_codes() -> None:
    assert json.loads(SCHEMA.read_text()) == json.loads(json.dumps(document.schema()))


def test_the_contracts_keys_are_there() -> None:
    whole = json.loads(document.render(diagnose(samples.slow())))
    keys = [
        "schema",
        "target",
        "window",
        "reference",
        "headline",
        "verdict",
        "account",
        "causes",
        "clear",
        "skipped",
        "evidence",
        "probes",
    ]
    assert set(keys) <= set(whole)
    account = ["before_ms", "now_ms", "excess_ms", "unexplained_ms", "interval_ms", "requests", "lines"]
    assert set(account) <= set(whole["account"])
    line = ["where", "kind", "before_ms", "now_ms", "excess_ms", "interval_ms", "evidence"]
    assert set(line) <= set(whole["account"]["lines"][0])
    cause = ["check", "title", "place", "excess_ms", "interval_ms", "confidence", "because", "next_steps", "fixes"]
    assert set(cause) <= set(whole["causes"][0])


@pytest.mark.parametrize("kind", DIAGNOSES)
def test_every_format_says_the_headline(kind: str) -> None:
    diagnosis = DIAGNOSES[kind]()
    words = diagnosis.headline.split()[-3:]
    flat = " ".join(terminal.render(diagnosis, width=140).split())
    assert " ".join(words) in flat
    assert words[-1].strip("._") in markdown.render(diagnosis)
    assert "<h1" in html.render(diagnosis)


def test_the_terminal_fits_its_width_and_has_no_colours_unless_asked() -> None:
    diagnosis = diagnose(samples.slow())
    text = terminal.render(diagnosis, width=80)
    assert max(map(len, text.splitlines())) <= 80
    assert "\x1b" not in text
    assert "\x1b" in terminal.render(diagnosis, width=80, colour=True)


def test_the_unexplained_row_and_the_total_are_shown() -> None:
    for text in (terminal.render(diagnose(samples.slow())), markdown.render(diagnose(samples.slow()))):
        assert "unexplained" in text
        assert "total" in text
        flat = " ".join(text.split())
        assert "No earlier measurement: the account explains the whole response time." in flat


class Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.scripts = 0
        self.handlers: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.scripts += tag == "script"
        self.handlers += [name for name, _ in attrs if name.startswith("on")]
        self.links += [value or "" for name, value in attrs if name in {"href", "src", "action", "xlink:href"}]
        assert tag not in {"iframe", "base", "object", "embed", "link", "form"}


def parsed(diagnosis: Diagnosis) -> Page:
    page = Page()
    page.feed(html.render(diagnosis))
    return page


@pytest.mark.parametrize("payload", PAYLOADS)
def test_texts_from_outside_stay_texts(payload: str) -> None:
    diagnosis = diagnose(samples.slow(text=payload, place=payload.replace(" ", "") or "view"))
    page = parsed(diagnosis)
    assert page.scripts == 1
    assert not page.handlers
    assert not page.links
    out = terminal.render(diagnosis)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", out)
    assert "<script>" not in markdown.render(diagnosis).replace("\\<script", "")


def test_the_page_refers_to_nothing_outside_and_is_small() -> None:
    page = html.render(diagnose(samples.slow()))
    assert not parsed(diagnose(samples.slow())).links
    assert not re.search(r"url\(|@import|src=", page.split("</style>")[0].split("<style>")[1])
    assert len(page) < 300_000
    assert "default-src 'none'" in page


def test_a_browser_finds_nothing_to_refuse(tmp_path: Path) -> None:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not on this machine: apt-get install chromium")
    path = tmp_path / "report.html"
    path.write_text(html.render(diagnose(samples.slow(text=PAYLOADS[0]))), encoding="utf-8")
    options = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync --enable-logging=stderr --v=0"
    ran = subprocess.run(
        [chromium, *options.split(), f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", path.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert "Content Security Policy" not in ran.stderr
    assert "where the time in the application goes" in ran.stdout.lower()
