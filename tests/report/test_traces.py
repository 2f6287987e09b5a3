"""The map of services and the waterfalls of requests: to scale, complete, and harmless whatever the names are."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from xml.etree import ElementTree

import jsonschema
import msgspec
import pytest

from tests import samples
from tests.measure.test_span_calls import request, span, table
from tests.report.test_reports import PAYLOADS, SCHEMA
from unslow.diagnose import diagnose
from unslow.diagnosis import ServiceCall, ServiceMap, ServiceNode, TraceBar, TracedRequest
from unslow.evidence.spans import Spans
from unslow.report import document, html, service_map, waterfall_trace, words


def traces(text: str = "") -> Spans:
    named = [msgspec.structs.replace(one, service=text + one.service) for n in range(6) for one in request(n, 50 + n)]
    return table(named)


def chain(count: int, ms: float = 5.0) -> ServiceMap:
    names = [f"service-{number}" for number in range(count)]
    nodes = tuple(ServiceNode(service=name, now_ms=ms, target=name == names[0]) for name in names)
    calls = [ServiceCall(caller=one, callee=other, calls=1.0, now_ms=1.0) for one, other in pairwise(names)]
    return ServiceMap(traces=10, nodes=nodes, calls=tuple(calls))


def boxes(svg: str) -> dict[str, tuple[float, float]]:
    found = {}
    for group in ElementTree.fromstring(svg).findall("g"):
        if "node" in (group.get("class") or ""):
            back, name = group.findall("rect")[0], group.findall("text")[0]
            found[str(name.text)] = (float(back.get("x", "")), float(back.get("y", "")))
    return found


def test_callees_stand_to_the_right_of_their_callers() -> None:
    at = boxes(service_map.svg(chain(5)))
    assert [x for x, _ in at.values()] == sorted({x for x, _ in at.values()})


def test_boxes_do_not_lie_on_one_another() -> None:
    nodes = tuple(ServiceNode(service=f"s{n}", now_ms=float(n), target=n == 0) for n in range(30))
    calls = tuple(
        ServiceCall(caller="s0" if n < 15 else f"s{n - 14}", callee=f"s{n}", calls=1.0, now_ms=1.0)
        for n in range(1, 30)
    )
    places = list(boxes(service_map.svg(ServiceMap(traces=1, nodes=nodes, calls=calls))).values())
    assert len(places) == 30
    for number, (x, y) in enumerate(places):
        for other_x, other_y in places[number + 1 :]:
            assert abs(x - other_x) >= service_map.BOX or abs(y - other_y) >= service_map.HIGH


def test_a_circle_of_calls_ends() -> None:
    one = chain(4)
    back = ServiceCall(caller="service-3", callee="service-0", calls=1.0, now_ms=1.0)
    itself = ServiceCall(caller="service-2", callee="service-2", calls=1.0, now_ms=0.0)
    assert len(boxes(service_map.svg(msgspec.structs.replace(one, calls=(*one.calls, back, itself))))) == 4


def test_a_large_map_shows_what_matters_and_the_way_there() -> None:
    quiet = chain(30, 0.0)
    nodes = tuple(msgspec.structs.replace(n, now_ms=40.0 if n.service == "service-20" else 0.0) for n in quiet.nodes)
    calls = tuple(msgspec.structs.replace(call, now_ms=0.0) for call in quiet.calls)
    drawn = msgspec.structs.replace(quiet, nodes=nodes, calls=calls)
    assert list(boxes(service_map.svg(drawn))) == [f"service-{number}" for number in range(21)]
    assert service_map.left_out(drawn) == 9


def test_many_ways_through_many_services_are_drawn_in_time() -> None:
    """Every service calls all later ones: the number of ways between two of them is astronomic."""
    names = [f"s{number}" for number in range(40)]
    nodes = tuple(ServiceNode(service=name, now_ms=1.0, target=name == "s0") for name in names)
    calls = tuple(
        ServiceCall(caller=one, callee=other, calls=1.0, now_ms=1.0)
        for number, one in enumerate(names)
        for other in names[number + 1 :]
    )
    assert len(boxes(service_map.svg(ServiceMap(traces=1, nodes=nodes, calls=calls)))) == 40


def test_bars_are_to_scale_and_the_critical_path_is_complete() -> None:
    diagnosis = diagnose(samples.slow(spans=traces()))
    drawn = waterfall_trace.svg(diagnosis.traced)
    assert [request.kind for request, _ in drawn] == ["typical", "slow"]
    longest = max(request.ms for request, _ in drawn)
    for request_, svg in drawn:
        critical = [float(w) for w in re.findall(r'class="critical"[^>]*width="([\d.]+)"', svg)]
        assert sum(critical) == pytest.approx(waterfall_trace.WIDTH * request_.ms / longest, abs=2.0)


def test_a_much_slower_request_has_a_scale_of_its_own() -> None:
    def traced(ms: float) -> TracedRequest:
        bar = TraceBar(depth=0, service="s", name="n", start_ms=0.0, ms=ms, critical=((0.0, ms),))
        return TracedRequest(kind="typical", trace_id="t", ms=ms, spans=1, bars=(bar,))

    for times in ((10.0, 1000.0), (0.0, 0.0), (10.0, 11.0)):
        requests = [traced(ms) for ms in times]
        assert waterfall_trace.on_one_scale(requests) == (times[1] < 100)
        for _, svg in waterfall_trace.svg(requests):
            ElementTree.fromstring(svg)


@pytest.mark.parametrize("payload", PAYLOADS)
def test_names_from_outside_are_text(payload: str) -> None:
    page = html.render(diagnose(samples.slow(spans=traces(payload))))
    assert "Which service" in page
    assert payload not in page or "<" not in payload
    drawn = diagnose(samples.slow(spans=traces(payload)))
    for svg in (service_map.svg(drawn.services), *(one for _, one in waterfall_trace.svg(drawn.traced))):
        assert {element.tag for element in ElementTree.fromstring(svg).iter()} <= {
            "svg",
            "g",
            "title",
            "rect",
            "text",
            "path",
        }


def test_the_document_has_them_and_follows_the_schema() -> None:

    whole = json.loads(document.render(diagnose(samples.slow(spans=traces(), reference=samples.healthy()))))
    jsonschema.validate(whole, json.loads(SCHEMA.read_text()))
    assert {node["service"] for node in whole["services"]["nodes"]} == {"shop", "bank", "ledger"}
    assert [one["kind"] for one in whole["traced"]] == ["typical", "slow"]


def test_without_traces_nothing_is_drawn() -> None:
    page = html.render(diagnose(samples.slow()))
    assert "Which service" not in page
    assert "span by span" not in page
    alone = table([span(1, "a", None, "shop", "server", 0, 100)])
    assert "Which service" not in html.render(diagnose(samples.slow(spans=alone)))


def test_the_services_are_ranked_in_words_by_what_each_adds() -> None:
    nodes = (
        ServiceNode(service="front", now_ms=21.0, before_ms=20.0, target=True),
        ServiceNode(service="store", now_ms=55.0, before_ms=5.0),
        ServiceNode(service="cache", now_ms=1.0, before_ms=30.0),
    )
    calls = (ServiceCall(caller="front", callee="store", calls=1.0, now_ms=12.0, before_ms=2.0),)
    ranked = words.by_service(ServiceMap(traces=10, nodes=nodes, calls=calls))
    assert [place for place, _ in ranked] == ["store", "front to store"]
    assert ranked[0][1] == "+50.0 ms, 5.0 ms before"
    assert words.by_service(None) == []
