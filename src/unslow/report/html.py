"""One self-contained HTML page: no outside reference, readable with scripts off, on a phone and on paper."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from importlib.resources import files

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from unslow.diagnosis import Diagnosis
from unslow.report import flame, latency_chart, service_map, waterfall, waterfall_trace, words

FOLDER = files("unslow.report") / "templates"


def render(diagnosis: Diagnosis) -> str:
    """The page. All texts are escaped; the only script is ours, and the policy knows its hash."""
    style, script = (FOLDER / "report.css").read_text("utf-8"), (FOLDER / "report.js").read_text("utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {
        "ms": words.ms,
        "signed": words.signed,
        "interval": words.interval,
        "percent": words.percent,
        "plain": words.plain,
        "text_lines": _lines,
    }
    # Markup below is only ever built by this package from escaped parts.
    return environment.from_string((FOLDER / "report.html.j2").read_text("utf-8")).render(
        d=diagnosis,
        gaps=words.gaps(diagnosis),
        lines=words.readable(diagnosis.account.lines),
        total_only=words.explains_total(diagnosis),
        unexplained_share=words.unexplained_share(diagnosis.account),
        style=Markup(style),  # noqa: S704 - our own file
        script=Markup(script),  # noqa: S704 - our own file
        script_hash=b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        waterfall=Markup(waterfall.svg(diagnosis)),  # noqa: S704 - escaped where it is built
        latency=Markup(latency_chart.svg(diagnosis)),  # noqa: S704 - numbers and times only
        services=Markup(service_map.svg(diagnosis.services)),  # noqa: S704 - escaped where it is built
        left_out=service_map.left_out(diagnosis.services),
        least_ms=service_map.least_ms(diagnosis.services) if diagnosis.services else 0.0,
        one_scale=waterfall_trace.on_one_scale(diagnosis.traced),
        traced=[
            (request, Markup(drawn))  # noqa: S704 - escaped where it is built
            for request, drawn in waterfall_trace.svg(diagnosis.traced)
        ],
        flame=Markup(flame.html(diagnosis.flame)),  # noqa: S704 - escaped where it is built
        kinds=[(kind, flame.css_class(kind)) for kind in flame.kinds(diagnosis.flame)],
    )


def _lines(text: str) -> list[str]:
    """For plans: lines stay lines, without control characters."""
    return [words.plain(line) if not line.startswith(" ") else _indented(line) for line in text.splitlines()]


def _indented(line: str) -> str:
    body = line.lstrip(" ")
    return "\u00a0" * (len(line) - len(body)) + words.plain(body)
