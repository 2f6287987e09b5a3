"""What only a real API server and kubelet show."""

from __future__ import annotations

import contextlib
import hashlib
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.kube.cluster import client, needs_cluster, pod_of, running
from unslow.kube.access import Permission, may, may_exec, who_am_i
from unslow.kube.client import STRATEGIC, Client
from unslow.kube.core import Pod
from unslow.kube.errors import ApiError, Conflict
from unslow.kube.events import events
from unslow.kube.execute import execute, limited
from unslow.kube.logs import log_lines
from unslow.kube.port_forward import forwarded
from unslow.kube.watch import Watch

pytestmark = needs_cluster


def processes(api: Client, namespace: str, pod: str, marker: str) -> int:
    """How many processes of the container have the marker among their arguments."""
    program = (
        "import glob,sys;"
        "print(sum(sys.argv[1].encode() in open(p,'rb').read() and b'glob' not in open(p,'rb').read()"
        " for p in glob.glob('/proc/[0-9]*/cmdline')))"
    )
    return int(execute(api, namespace, pod, ["python3", "-c", program, marker]).stdout)


def test_impersonation_is_what_the_server_sees(api: Client) -> None:
    assert "system:masters" in (who_am_i(api).groups or ())
    with client("bob", ("dev", "ops")) as bob:
        me = who_am_i(bob)
        assert me.username == "bob"
        assert {"dev", "ops"} <= set(me.groups or ())
        assert not may(bob, Permission("list", "pods", namespace="default"))
        with pytest.raises(ApiError) as caught:
            list(bob.items("/api/v1/pods", Pod, asked="list pods in the whole cluster"))
        assert caught.value.code == 403


def test_exec_is_allowed_by_get_alone(api: Client, namespace: str, pod: str) -> None:
    role = {
        "metadata": {"name": "getter"},
        "rules": [{"apiGroups": [""], "resources": ["pods/exec"], "verbs": ["get"]}],
    }
    binding = {
        "metadata": {"name": "getter"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "getter"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "getter"}],
    }
    base = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
    api.post(f"{base}/roles", role, dict)
    api.post(f"{base}/rolebindings", binding, dict)
    with client("getter") as getter, client("nobody") as nobody:
        assert not may(getter, Permission("create", "pods", subresource="exec", namespace=namespace))
        assert may_exec(getter, namespace)
        assert not may_exec(nobody, namespace)
        with pytest.raises(ApiError) as caught:
            execute(nobody, namespace, pod, ["true"])
        assert caught.value.code == 403


def test_exec_keeps_output_apart_and_tells_the_exit_code(api: Client, namespace: str, pod: str) -> None:
    result = execute(api, namespace, pod, ["sh", "-c", "echo out; echo err >&2; exit 7"])
    assert (result.stdout, result.stderr, result.code) == (b"out\n", b"err\n", 7)
    assert execute(api, namespace, pod, ["sh", "-c", "kill -9 $$"]).code == 137
    assert execute(api, namespace, pod, ["wc", "-c"], stdin=b"x" * 300_000).stdout == b"300000\n"


def test_much_binary_output_is_whole(api: Client, namespace: str, pod: str) -> None:
    program = "import hashlib,os,sys;d=os.urandom(5000000);os.write(2,hashlib.sha256(d).hexdigest().encode());sys.stdout.buffer.write(d)"
    result = execute(api, namespace, pod, ["python3", "-c", program], seconds=30)
    assert hashlib.sha256(result.stdout).hexdigest().encode() == result.stderr
    cut = execute(api, namespace, pod, ["python3", "-c", program], seconds=30, most=1000)
    assert (len(cut.stdout), cut.cut) == (1000, True)


def test_what_cannot_be_started_says_why(api: Client, namespace: str, pod: str) -> None:
    with pytest.raises(ApiError, match="not found") as caught:
        execute(api, namespace, "nobody", ["true"])
    assert caught.value.code == 404
    with pytest.raises(ApiError, match="nonsense"):
        execute(api, namespace, pod, ["nonsense"])


def test_after_a_timeout_the_same_client_works_and_the_command_ends_by_itself(
    api: Client, namespace: str, pod: str
) -> None:
    for _ in range(3):
        result = execute(api, namespace, pod, limited(["sleep", "4711"], 2), seconds=0.3)
        assert (result.code, result.timed_out) == (None, True)
        assert who_am_i(api).username
    until = time.monotonic() + 20
    while processes(api, namespace, pod, "4711") and time.monotonic() < until:
        time.sleep(0.2)
    assert processes(api, namespace, pod, "4711") == 0


def test_a_command_that_ends_before_it_has_read_everything_does_not_hang(api: Client, namespace: str, pod: str) -> None:
    result = execute(api, namespace, pod, ["head", "-c", "5"], stdin=b"y" * 100_000, seconds=5)
    assert result.stdout == b"yyyyy"


def test_a_port_is_forwarded_many_times_at_once(api: Client, namespace: str, pod: str) -> None:
    with forwarded(api, namespace, pod, 8000) as forward:
        url = f"http://127.0.0.1:{forward.port}/"

        def ask(_: int) -> int:
            with urllib.request.urlopen(url, timeout=20) as answer:
                return len(answer.read())

        with ThreadPoolExecutor(20) as pool:
            assert len(set(pool.map(ask, range(20)))) == 1
        assert forward.errors == []


def test_a_closed_port_is_told_by_the_kubelet(api: Client, namespace: str, pod: str) -> None:
    with forwarded(api, namespace, pod, 8099) as forward:
        with pytest.raises((OSError, urllib.error.URLError)):
            urllib.request.urlopen(f"http://127.0.0.1:{forward.port}/", timeout=10)
        until = time.monotonic() + 5
        while not forward.errors and time.monotonic() < until:
            time.sleep(0.05)
        assert any("refused" in error for error in forward.errors)


def test_logs_of_the_run_before(api: Client, namespace: str) -> None:
    program = "import os,sys;print('line\\u2028still',flush=True);sys.exit(3)"
    body = pod_of(["python3", "-c", program])
    api.post(f"/api/v1/namespaces/{namespace}/pods", {"metadata": {"name": "crash"}, **body}, dict)
    texts: list[str] = []
    until = time.monotonic() + 60
    while not texts and time.monotonic() < until:
        time.sleep(0.2)
        with contextlib.suppress(ApiError):  # no previous run yet
            texts = [line.text for line in log_lines(api, namespace, "crash", "main", previous=True)]
    assert texts == ["line\u2028still"]
    told = [event for event in events(api, namespace) if event.involved_object.name == "crash"]
    assert {"Scheduled", "Pulled", "BackOff"} <= {event.reason for event in told}


def test_a_version_in_the_body_makes_a_patch_fail_when_somebody_was_faster(
    api: Client, namespace: str, pod: str
) -> None:
    path = f"/api/v1/namespaces/{namespace}/pods/{pod}"
    version = api.get(path, Pod).metadata.resource_version
    api.patch(path, {"metadata": {"labels": {"first": "yes"}}}, dict)
    with pytest.raises(Conflict):
        api.patch(path, {"metadata": {"resourceVersion": version, "labels": {"second": "yes"}}}, dict)


def test_a_field_that_does_not_exist_is_refused_not_dropped(api: Client, namespace: str, pod: str) -> None:
    with pytest.raises(ApiError) as caught:
        api.patch(f"/api/v1/namespaces/{namespace}/pods/{pod}", {"spec": {"nonsense": 1}}, dict, dry_run=True)
    assert "nonsense" in caught.value.missing


def test_another_object_of_the_same_name_is_not_deleted(api: Client, namespace: str, pod: str) -> None:
    with pytest.raises(Conflict):
        api.delete(f"/api/v1/namespaces/{namespace}/pods/{pod}", uid="00000000-0000-0000-0000-000000000000")


def test_whether_a_debug_container_would_be_admitted_is_known_before(api: Client) -> None:
    from tests.kube.cluster import namespace

    with namespace(api, {"pod-security.kubernetes.io/enforce": "baseline"}) as strict:
        running(api, strict, "web", pod_of(["sleep", "300"]))
        debug = {"name": "d", "image": "python:3.11-slim", "securityContext": {"capabilities": {"add": ["SYS_PTRACE"]}}}
        with pytest.raises(ApiError) as caught:
            api.patch(
                f"/api/v1/namespaces/{strict}/pods/web/ephemeralcontainers",
                {"spec": {"ephemeralContainers": [debug]}},
                dict,
                kind=STRATEGIC,
                dry_run=True,
            )
        assert caught.value.code == 403
        assert "SYS_PTRACE" in caught.value.missing
        found = api.get(f"/api/v1/namespaces/{strict}/pods/web", Pod)
        assert not found.spec.ephemeral_containers


def test_a_watch_tells_what_is_there_and_what_comes(api: Client, namespace: str, pod: str) -> None:
    watch = Watch(api, f"/api/v1/namespaces/{namespace}/pods", Pod)
    api.patch(f"/api/v1/namespaces/{namespace}/pods/{pod}", {"metadata": {"labels": {"seen": "0"}}}, dict)
    kinds = []
    for change in watch.changes(20.0):
        if change.object.metadata.name != pod:
            continue
        kinds.append(change.kind)
        if len(kinds) == 2:
            break
        api.patch(f"/api/v1/namespaces/{namespace}/pods/{pod}", {"metadata": {"labels": {"seen": "1"}}}, dict)
    assert kinds == ["ADDED", "MODIFIED"]


def test_a_bad_selector_is_told(api: Client) -> None:
    with pytest.raises(ApiError, match="field label not supported"):
        list(api.items("/api/v1/pods", Pod, fields="spec.nonsense=1"))
