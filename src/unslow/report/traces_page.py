"""Traces alone as one self-contained HTML page: the map of services, two requests, and the operations."""

from __future__ import annotations

from importlib.resources import files

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from unslow.evidence.spans import Spans
from unslow.report import service_map as drawing
from unslow.report import waterfall_trace, words
from unslow.traced import service_map, traced_requests

FOLDER = files("unslow.report") / "templates"
SHOWN = 50
"""Operations in the table; all of them are in the JSON."""


def render(spans: Spans, title: str, note: str = "") -> str:
    """The page. All texts are escaped; it has no script. `note`: what the reader must know of the sample."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"ms": words.ms, "plain": words.plain}
    services = service_map(spans, None)
    requests = traced_requests(spans)
    # Markup below is only ever built by this package from escaped parts.
    return environment.from_string((FOLDER / "traces.html.j2").read_text("utf-8")).render(
        title=title,
        note=note,
        spans=spans,
        operations=spans.operations[:SHOWN],
        style=Markup((FOLDER / "report.css").read_text("utf-8")),  # noqa: S704 - our own file
        services=Markup(drawing.svg(services)),  # noqa: S704 - escaped where it is built
        left_out=drawing.left_out(services),
        least_ms=drawing.least_ms(services) if services else 0.0,
        one_scale=waterfall_trace.on_one_scale(requests),
        traced=[
            (request, Markup(drawn))  # noqa: S704 - escaped where it is built
            for request, drawn in waterfall_trace.svg(requests)
        ],
    )
