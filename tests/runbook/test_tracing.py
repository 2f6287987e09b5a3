"""One pod's annotation is set for a while and taken away again; nothing else is touched."""

from __future__ import annotations

import http.client

from tests.checks.cluster import pod, pods
from tests.kube.api_server import Answer, answering
from tests.runbook.situations import situation
from unslow.evidence.cluster import Cluster
from unslow.runbook.situation import Options
from unslow.runbook.tracing import commands, run

NOTE = "debug.trace/enabled"
ONE = Cluster(pods=pods(pod("shop-1")))
ALLOWED = Options(allow=frozenset({"tracing"}), trace_s=0)


class Server:
    """Holds one pod's annotations; the body of a change is not seen, so the first sets ours and the second removes it."""

    def __init__(self, annotations: dict[str, str] | None = None, *, may: bool = True, meddles: bool = False) -> None:
        self.annotations = dict(annotations or {})
        self.writes: list[str] = []
        self._may = may
        self._meddles = meddles

    def __call__(self, path: str, query: dict[str, str], headers: http.client.HTTPMessage) -> Answer:
        if path.endswith("selfsubjectaccessreviews"):
            return Answer({"status": {"allowed": self._may}})
        if headers.get("Content-Type", "").startswith("application/merge-patch"):
            self.writes.append(path)
            self.annotations = {} if len(self.writes) > 1 else {NOTE: "off" if self._meddles else "true"}
        return Answer(
            {"metadata": {"name": "shop-1", "uid": "u", "resourceVersion": "7", "annotations": self.annotations}}
        )


def test_without_leave_it_is_proposed_with_its_undo() -> None:
    server = Server()
    with answering(server) as client:
        outcome = run(situation(client, cluster=ONE))
    assert outcome.state == "proposed"
    assert outcome.proposals[0].undo.endswith(f"shop-1 {NOTE}-")
    assert server.writes == []


def test_the_annotation_is_on_one_pod_for_a_while_and_gone_again() -> None:
    server = Server()
    with answering(server) as client:
        about = situation(client, ALLOWED, ONE)
        with about.keeper:
            outcome = run(about)
    assert outcome.state == "changed"
    assert "is gone again" in outcome.result[0]
    assert server.writes == ["/api/v1/namespaces/market/pods/shop-1"] * 2
    assert server.annotations == {}


def test_an_annotation_that_is_there_already_is_left() -> None:
    server = Server({NOTE: "true"})
    with answering(server) as client:
        outcome = run(situation(client, ALLOWED, ONE))
    assert "left as it is" in outcome.result[0]
    assert server.writes == []


def test_what_somebody_set_since_is_theirs() -> None:
    server = Server(meddles=True)
    with answering(server) as client:
        about = situation(client, ALLOWED, ONE)
        with about.keeper:
            outcome = run(about)
    assert "somebody has set it to 'off' since" in outcome.result[0]
    assert len(server.writes) == 1


def test_without_the_right_nothing_is_tried() -> None:
    server = Server(may=False)
    with answering(server) as client:
        outcome = run(situation(client, ALLOWED, ONE))
    assert outcome.state == "proposed"
    assert any("patch" in gap.missing for gap in outcome.gaps)
    assert server.writes == []


def test_no_command_touches_the_template_of_all_pods() -> None:
    assert all(" pod " in command and "deployment" not in command for command in commands(situation(cluster=ONE)))
