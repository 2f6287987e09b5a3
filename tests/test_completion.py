from __future__ import annotations

import json
import os
import shutil
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kube import cluster
from tests.kube.api_server import Answer, answering, status
from unslow.cli import parser
from unslow.completion import DEADLINE_S, candidates, script

SHELLS = ("bash", "zsh", "fish")
NAMES = {
    "/api/v1/namespaces": ["shop", "shipping", "kube-system"],
    "/apis/apps/v1/namespaces/shop/deployments": ["gateway", "basket"],
    "/apis/apps/v1/namespaces/shop/statefulsets": ["ledger"],
    "/apis/apps/v1/namespaces/shop/daemonsets": [],
    "/api/v1/namespaces/home/services": ["front"],
}


def written(folder: Path, server: str, user: dict[str, Any] | None = None) -> Path:
    path = folder / "config"
    body = {
        "current-context": "one",
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": user or {}}],
        "contexts": [
            {"name": "one", "context": {"cluster": "c", "user": "u", "namespace": "home"}},
            {"name": "other", "context": {"cluster": "c", "user": "u"}},
        ],
    }
    path.write_text(json.dumps(body))
    return path


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, str]]]:
    """What the API server was asked for, and as whom."""
    seen: list[tuple[str, str]] = []

    def handler(path: str, query: dict[str, str], headers: Any) -> Answer:
        seen.append((path, headers.get("Impersonate-User", "")))
        if path not in NAMES:
            return status(403, "Forbidden")
        return Answer({"items": [{"metadata": {"name": name}} for name in NAMES[path]]})

    with answering(handler) as client:
        monkeypatch.setenv("KUBECONFIG", str(written(tmp_path, client.access.server)))
        yield seen


def completed(*words: str) -> tuple[list[str], int]:
    return candidates(parser(), words)


def test_words_come_from_the_parser_without_a_cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    assert "diagnose" in completed("")[0]
    assert completed("diag") == (["diagnose"], 4)
    assert "--namespace" in completed("runbook", "--n")[0]
    assert completed("completion", "") == (sorted(SHELLS), 4)
    assert completed("diagnose", "http://a/", "--html", "") == ([], 0)


def test_kinds_namespaces_and_workloads(asked: list[tuple[str, str]]) -> None:
    assert completed("diagnose", "") == (["deploy/", "ds/", "pod/", "sts/", "svc/"], 6)
    assert completed("diagnose", "sh") == (["shipping/", "shop/"], 6)
    assert completed("runbook", "shop/") == (["shop/basket", "shop/gateway", "shop/ledger"], 4)
    assert completed("diagnose", "deploy/g", "-n", "sh") == (["shipping", "shop"], 4)
    assert completed("diagnose", "-n", "shop", "deploy/g") == (["deploy/gateway"], 4)
    assert completed("diagnose", "--namespace=shop", "sts/") == (["sts/ledger"], 4)
    assert completed("diagnose", "svc/") == (["svc/front"], 4), "the context's own namespace"


def test_it_asks_as_whom_the_command_will(asked: list[tuple[str, str]]) -> None:
    completed("diagnose", "--as", "bob", "-n", "shop", "deploy/")
    assert asked == [("/apis/apps/v1/namespaces/shop/deployments", "bob")]


def test_names_of_the_kubeconfig_need_no_request(asked: list[tuple[str, str]]) -> None:
    assert completed("diagnose", "--context", "") == (["one", "other"], 4)
    assert completed("diagnose", "--cluster", "=", "") == (["c"], 4)
    assert completed("diagnose", "--user", "") == (["u"], 4)
    assert asked == []


def told(*words: str, config: Path) -> subprocess.CompletedProcess[str]:
    code = "import sys; from unslow.cli import complete; sys.exit(complete())"
    return subprocess.run(
        [sys.executable, "-c", code, *words],
        env={**os.environ, "KUBECONFIG": str(config)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_silent_when_refused_or_unreachable(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    ran = told("diagnose", "shop/", config=written(tmp_path, f"http://127.0.0.1:{port}"))
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, ":0\n", "")


def test_a_server_or_a_login_that_hangs_is_given_up(tmp_path: Path) -> None:
    marker = tmp_path / "ended"
    login = tmp_path / "login"
    login.write_text(f"#!/bin/sh\nsleep 30\ntouch {marker}\n")
    login.chmod(login.stat().st_mode | stat.S_IXUSR)
    user = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(login)}}
    with socket.create_server(("127.0.0.1", 0)) as hanging:
        server = f"http://127.0.0.1:{hanging.getsockname()[1]}"
        for config in (written(tmp_path, server), written(tmp_path, server, user)):
            begun = time.monotonic()
            ran = told("diagnose", "shop/", config=config)
            assert (ran.returncode, ran.stdout, ran.stderr) == (0, ":0\n", "")
            assert time.monotonic() - begun < 20 * DEADLINE_S
    assert not marker.exists()


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_is_one_that_the_shell_takes(shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    subprocess.run([shell, "-n"], input=script(shell), text=True, check=True)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("unslow diag", "diagnose\n"),
        ("unslow diagnose -n shop deploy/g", "deploy/gateway\n"),
        ("unslow diagnose sh", "shipping/\nshop/\n"),
    ],
)
def test_bash_completes(asked: list[tuple[str, str]], tmp_path: Path, line: str, expected: str) -> None:
    command = tmp_path / "kubectl_complete-unslow"
    command.write_text(f"#!{sys.executable}\nimport sys\nfrom unslow.cli import complete\nsys.exit(complete())\n")
    command.chmod(0o755)
    ask = 'COMP_WORDS=($LINE); COMP_CWORD=$((${#COMP_WORDS[@]}-1)); _unslow; printf "%s\\n" "${COMPREPLY[@]}"'
    ran = subprocess.run(
        ["bash", "-c", f"{script('bash')}\n{ask}"],
        env={**os.environ, "LINE": line, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout == expected


@cluster.needs_cluster
def test_on_the_real_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig()))
    assert "kube-system/" in completed("diagnose", "kube-s")[0]
    assert "kube-system" in completed("diagnose", "x", "-n", "kube-s")[0]
    assert "svc/kube-dns" in completed("diagnose", "-n", "kube-system", "svc/")[0]
    with pytest.raises(Exception, match=r"[Ff]orbidden|may not|not allowed"):
        completed("diagnose", "--as", "nobody", "-n", "kube-system", "svc/")


@cluster.needs_cluster
def test_kubectl_finds_its_plugin_and_asks_it_for_completion(tmp_path: Path) -> None:
    if shutil.which("kubectl") is None:
        pytest.skip("no kubectl here")
    for name, code in (
        ("kubectl-unslow", "from unslow.cli import main"),
        ("kubectl_complete-unslow", "from unslow.cli import complete as main"),
    ):
        (tmp_path / name).write_text(f"#!{sys.executable}\nimport sys\n{code}\nsys.exit(main())\n")
        (tmp_path / name).chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "KUBECONFIG": str(cluster.kubeconfig()),
    }
    helped = subprocess.run(
        ["kubectl", "unslow", "--help"], env=environment, capture_output=True, text=True, check=True
    )
    assert "usage: kubectl unslow" in helped.stdout
    words = ["kubectl", "__complete", "unslow", "diagnose", "-n", "kube-system", "svc/kube-d"]
    told = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
    assert told.stdout.splitlines()[:1] == ["svc/kube-dns"]
