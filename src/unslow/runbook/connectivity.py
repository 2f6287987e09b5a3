"""DNS, TCP, TLS and HTTP, timed from the pod's own network namespace."""

from __future__ import annotations

from pathlib import Path
from statistics import median

import msgspec

from unslow.errors import Unavailable
from unslow.evidence.cluster import Pod, Service
from unslow.kube.ephemeral import Container, add, finished, fresh_name, left_behind
from unslow.kube.errors import ApiError
from unslow.kube.execute import execute
from unslow.runbook import inside
from unslow.runbook.situation import Situation, table
from unslow.runbook.step import Gap, Outcome, Proposal

TITLE = "Network connectivity"
SECTION = "Warning Level Alerts 1"
ASKS = "From the pod itself: how long do the name, the connection and the answer of each service take?"
TIMES = 3
PATIENCE_S = 40.0
SLOW_DNS_MS = 100.0
SLOW_TCP_MS = 50.0
_SCRIPT = Path(inside.__file__).with_name("timed.py")
_WEB_PORTS = {80, 443, 3000, 5000, 8000, 8001, 8080, 8443, 9090}


class Timed(msgspec.Struct, frozen=True, kw_only=True):
    """One line of `inside/timed.py`."""

    url: str
    host: str = ""
    addresses: tuple[str, ...] = ()
    dns_ms: float | None = None
    tcp_ms: float | None = None
    tls_ms: float | None = None
    first_byte_ms: float | None = None
    http_ms: float | None = None
    status: int | None = None
    failed: str = ""
    error: str = ""


def commands(situation: Situation) -> tuple[str, ...]:
    pod = situation.slow_pod()
    name = pod.name if pod else "POD"
    shape = "dns %{time_namelookup} tcp %{time_connect} tls %{time_appconnect} first byte %{time_starttransfer}\\n"
    return tuple(
        f"kubectl exec -n {situation.namespace} {name} -- curl -so /dev/null -m 5 -w '{shape}' {url}"
        for url in urls(situation)[:2]
    )


def urls(situation: Situation) -> list[str]:
    """One for each port of the services that lead here or that it calls."""
    return [_url(service, port.port, port.name) for service in situation.services for port in service.ports][:8]


def _url(service: Service, port: int, name: str) -> str:
    web = name.startswith(("http", "web")) or (not name and port in _WEB_PORTS)
    scheme = "https" if port in {443, 8443} or name.startswith("https") else "http" if web else "tcp"
    return f"{scheme}://{service.name}.{service.namespace}:{port}/"


def run(situation: Situation) -> Outcome:
    pod, wanted = situation.slow_pod(), urls(situation)
    if pod is None or not wanted:
        return Outcome(state="unavailable", gaps=(Gap("a running pod and a service", "see steps 1 and 2"),))
    situation.progress(f"timing {len(wanted)} addresses from {pod.name}")
    gaps: list[Gap] = []
    refused = (
        situation.refused("create", "pods", "exec")
        if situation.options.use_exec
        else Gap("exec", "leave out --no-exec")
    )
    if refused is None:
        try:
            return told(_by_exec(situation, pod, wanted), pod.name)
        except Unavailable as error:
            gaps.append(Gap(error.missing, error.remedy))
    else:
        gaps.append(refused)
    container = _container(situation, pod, wanted)
    if "connectivity" not in situation.options.allow:
        proposal = Proposal(
            name="connectivity",
            what=f"add a debug container (no capabilities, not root) to {pod.name}, which times the same and ends",
            command=container.command_for_a_person(situation.namespace, pod.name),
            undo="none: an ephemeral container ends by itself, but stays listed in the pod until the pod goes",
        )
        return Outcome(state="proposed", gaps=tuple(gaps), proposals=(proposal,))
    text, left = _by_container(situation, pod, container)
    outcome = told(lines(text), pod.name)
    return msgspec.structs.replace(outcome, state="changed", gaps=tuple(gaps), left=(left,))


def _by_exec(situation: Situation, pod: Pod, wanted: list[str]) -> list[Timed]:
    """With the Python of the image. Nothing is written, and the script has an alarm of its own."""
    first = next((one.name for one in pod.application), "")
    body = _SCRIPT.read_bytes()
    loader = "import sys;n=int(sys.argv.pop(1));exec(compile(sys.stdin.buffer.read(n),'timed','exec'))"
    for python in ("python3", "python"):
        command = (python, "-I", "-S", "-c", loader, str(len(body)), str(TIMES), *wanted)
        try:
            result = execute(
                situation.client,
                situation.namespace,
                pod.name,
                command,
                container=first,
                stdin=body,
                hold=True,
                seconds=situation.left_s(PATIENCE_S),
            )
        except ApiError as error:
            if error.code != 500:
                raise
            continue
        if result.stdout or result.ok:
            return lines(result.stdout.decode(errors="replace"))
    raise Unavailable(
        f"Python in the image of container {first}",
        "allow the debug container: --allow connectivity",
    )


def _container(situation: Situation, pod: Pod, wanted: list[str]) -> Container:
    command = ("python3", "/usr/local/lib/unslow/timed.py", str(TIMES), *wanted)
    return Container(name=fresh_name("timed"), image=situation.options.probe_image, command=command)


def _by_container(situation: Situation, pod: Pod, container: Container) -> tuple[str, str]:
    add(situation.client, situation.namespace, pod.name, container)
    text = finished(situation.client, situation.namespace, pod.name, container.name, situation.left_s(PATIENCE_S))
    return text, left_behind(situation.client, situation.namespace, pod.name, container)


def lines(text: str) -> list[Timed]:
    """Lines that are none of ours are left out."""
    found = []
    for line in text.splitlines():
        try:
            found.append(msgspec.json.decode(line, type=Timed))
        except msgspec.DecodeError:
            continue
    return found


def told(found: list[Timed], pod: str) -> Outcome:
    """Median of the tries; the slowest lookup beside it, because a dropped question shows in one of them."""
    by_url: dict[str, list[Timed]] = {}
    for one in found:
        by_url.setdefault(one.url, []).append(one)
    head = (f"FROM {pod}", "DNS", "SLOWEST DNS", "TCP", "TLS", "FIRST BYTE", "ANSWER")
    rows: list[tuple[str, ...]] = []
    means = []
    for url, tries in by_url.items():
        failed = [one for one in tries if one.failed]
        answer = f"failed: {failed[0].failed}" if failed else str(next((t.status for t in tries if t.status), "open"))
        slowest = max((one.dns_ms for one in tries if one.dns_ms is not None), default=None)
        parts = [
            _median([getattr(one, part) for one in tries]) for part in ("dns_ms", "tcp_ms", "tls_ms", "first_byte_ms")
        ]
        rows.append((url, parts[0], _ms(slowest), *parts[1:], answer))
        means += (
            [f"{url}: {failed[0].failed} fails in {len(failed)} of {len(tries)} tries: {failed[0].error}."]
            if failed
            else []
        )
        if slowest is not None and slowest > SLOW_DNS_MS:
            means.append(
                f"{url}: looking up its name takes up to {slowest:.0f} ms; see ndots, the search domains, CoreDNS."
            )
        connected = [one.tcp_ms for one in tries if one.tcp_ms is not None]
        if connected and max(connected) > SLOW_TCP_MS:
            means.append(f"{url}: connecting takes up to {max(connected):.0f} ms: loss, a full backlog or a far node.")
    if not by_url:
        return Outcome(state="unavailable", gaps=(Gap("an answer of the timed probe", "see the pod's logs"),))
    calm = "Names, connections and answers are quick from inside the pod: the way there is not the problem."
    return Outcome(result=table(head, rows), means=tuple(means) or (calm,))


def _median(values: list[float | None]) -> str:
    known = [one for one in values if one is not None]
    return _ms(median(known)) if known else "-"


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} ms"
