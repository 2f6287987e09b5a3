"""A bounded packet capture from the pod's network namespace, proved by length and hash, and its verdict."""

from __future__ import annotations

import hashlib
import time

import msgspec

from unslow.errors import BadInput, Unavailable
from unslow.evidence.cluster import Pod
from unslow.kube.ephemeral import DEFAULT_ROOT, Container, add, fresh_name, left_behind, output, started
from unslow.kube.execute import execute
from unslow.runbook.situation import Situation
from unslow.runbook.step import Gap, Outcome, Proposal

TITLE = "Packet capture"
SECTION = "Performance Investigation 2"
ASKS = "Do the packets say network or server: round trips, retransmits, zero windows, resets, DNS?"
PACKETS = 50_000
SNAP_BYTES = 256
"""Headers, and the name in a DNS answer."""
KEEP_S = 60
FILE = "/tmp/unslow.pcap"  # noqa: S108  # in a container of its own
POLL_S = 0.5


class Proof(msgspec.Struct, frozen=True):
    """Last line of `inside/capture.py`."""

    bytes: int = 0
    sha256: str = ""
    told: tuple[str, ...] = ()
    error: str = ""


def commands(situation: Situation) -> tuple[str, ...]:
    pod = situation.slow_pod()
    name = pod.name if pod else "POD"
    seconds = situation.options.capture_s
    return (
        f"kubectl debug -n {situation.namespace} {name} --profile=netadmin --image={situation.options.probe_image} -- "
        f"timeout {seconds} tcpdump -i any -n -s {SNAP_BYTES} -c {PACKETS} -w {FILE}",
        "unslow packets dump.pcap",
    )


def run(situation: Situation) -> Outcome:
    pod = situation.slow_pod()
    if pod is None:
        return Outcome(state="unavailable", gaps=(Gap("a running pod", "see step 2"),))
    seconds = situation.options.capture_s
    script = ("python3", "/usr/local/lib/unslow/capture.py", str(seconds), str(PACKETS), str(SNAP_BYTES), str(KEEP_S))
    container = Container(
        name=fresh_name("capture"),
        image=situation.options.probe_image,
        command=script,
        security=DEFAULT_ROOT,
        instead="capture on the node, or label the namespace with level baseline or privileged",
    )
    proposal = Proposal(
        name="capture",
        what=f"add a debug container to {pod.name} that captures {seconds} s of headers (at most {PACKETS} packets, "
        "32 MiB), is read, and ends",
        command=commands(situation)[0],
        undo="none: an ephemeral container ends by itself, but stays listed in the pod until the pod goes",
    )
    gaps = [
        gap
        for gap in (
            situation.refused("patch", "pods", "ephemeralcontainers"),
            situation.refused("create", "pods", "exec"),
        )
        if gap is not None
    ]
    if "capture" not in situation.options.allow or gaps:
        means = situation.causes("network_retransmits", "network_slow", "conntrack_full")
        return Outcome(state="proposed", means=means, gaps=tuple(gaps), proposals=(proposal,))
    try:
        return _captured(situation, pod, container)
    except Unavailable as error:
        return Outcome(state="unavailable", gaps=(Gap(error.missing, error.remedy),), proposals=(proposal,))


def _captured(situation: Situation, pod: Pod, container: Container) -> Outcome:
    client, namespace = situation.client, situation.namespace
    add(client, namespace, pod.name, container)
    started(client, namespace, pod.name, container.name, situation.left_s(60.0))
    seconds = situation.options.capture_s
    situation.progress(f"capturing packets of {pod.name} for {seconds} s")
    proof = _proof(situation, pod, container, situation.left_s(seconds + 30.0))
    left = (left_behind(client, namespace, pod.name, container),)
    if proof.error:
        raise Unavailable(
            f"a capture: {proof.error}", "the container needs NET_RAW: Pod Security level baseline or wider"
        )
    content = _read(situation, pod, container)
    if len(content) != proof.bytes or hashlib.sha256(content).hexdigest() != proof.sha256:
        raise Unavailable("the whole capture: its length or hash differs from what was written", "try again")
    figures, means = _judged(content)
    proved = f"{len(content)} bytes, SHA-256 {proof.sha256[:16]}… as written in the pod; {'; '.join(proof.told)}"
    return Outcome(state="changed", result=(proved, *figures), means=means, left=left)


def _judged(content: bytes) -> tuple[list[str], tuple[str, ...]]:
    from unslow.packets.verdict import verdict
    from unslow.packets.words import figures

    try:
        found = verdict(content)
    except BadInput as error:
        raise Unavailable(f"a capture that can be read: {error.message}", error.remedy) from error
    return figures(found), (*found.means, *found.limits)


def _proof(situation: Situation, pod: Pod, container: Container, seconds: float) -> Proof:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for line in output(situation.client, situation.namespace, pod.name, container.name).splitlines():
            try:
                return msgspec.json.decode(line, type=Proof)
            except msgspec.DecodeError:
                continue
        time.sleep(POLL_S)
    raise Unavailable(f"the capture within {seconds:.0f} s", "give a longer --budget")


def _read(situation: Situation, pod: Pod, container: Container) -> bytes:
    """Reads the file and removes it, which ends the container."""
    command = (
        "python3",
        "-c",
        f"import sys,os;sys.stdout.buffer.write(open('{FILE}','rb').read());sys.stdout.flush();os.unlink('{FILE}')",
    )
    result = execute(
        situation.client,
        situation.namespace,
        pod.name,
        command,
        container=container.name,
        seconds=situation.left_s(30.0),
    )
    return result.stdout
