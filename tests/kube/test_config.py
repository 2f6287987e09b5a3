from __future__ import annotations

import json
from pathlib import Path

import pytest

from unslow.errors import BadInput, BadUsage, CannotLook
from unslow.kube import config
from unslow.kube.config import load, proxy_of
from unslow.kube.credentials import Authorization, Plugin


def written(folder: Path, text: str, name: str = "config") -> Path:
    path = folder / name
    path.write_text(text)
    return path


PLAIN = """
apiVersion: v1
current-context: one
clusters: [{name: c, cluster: {server: "https://example.test:6443"}}]
users: [{name: u, user: {token: sesame}}]
contexts:
- {name: one, context: {cluster: c, user: u, namespace: shop}}
- {name: other, context: {cluster: c, user: u}}
"""


@pytest.fixture(autouse=True)
def _no_surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


def test_current_context_and_its_namespace(tmp_path: Path) -> None:
    access = load(written(tmp_path, PLAIN))
    assert (access.server, access.namespace, access.token, access.context) == (
        "https://example.test:6443",
        "shop",
        "sesame",
        "one",
    )
    assert load(written(tmp_path, PLAIN), context="other").namespace == "default"
    assert load(written(tmp_path, PLAIN), namespace="mine").namespace == "mine"


def test_a_kubeconfig_that_impersonates_is_carried_out_and_never_run_as_the_full_user(tmp_path: Path) -> None:
    user = "token: sesame, as: bob, as-groups: [dev, ops], as-user-extra: {reason: [tests]}"
    text = PLAIN.replace("token: sesame", user)
    impersonate = load(written(tmp_path, text)).impersonate
    assert impersonate.headers == [
        ("Impersonate-User", "bob"),
        ("Impersonate-Group", "dev"),
        ("Impersonate-Group", "ops"),
        ("Impersonate-Extra-reason", "tests"),
    ]


def test_the_flag_wins_over_the_file(tmp_path: Path) -> None:
    text = PLAIN.replace("token: sesame", "token: sesame, as: bob, as-groups: [dev]")
    access = load(written(tmp_path, text), as_user="eve", as_groups=("a", "b"))
    assert access.impersonate.headers == [
        ("Impersonate-User", "eve"),
        ("Impersonate-Group", "a"),
        ("Impersonate-Group", "b"),
    ]


def test_a_group_alone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadUsage):
        load(written(tmp_path, PLAIN), as_groups=("admins",))


def test_several_files_are_merged_and_the_first_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = written(tmp_path, "current-context: other\n", "first")
    second = written(tmp_path, PLAIN, "second")
    monkeypatch.setenv("KUBECONFIG", f"{first}:{tmp_path / 'missing'}:{second}")
    assert load().context == "other"


def test_a_kubeconfig_wins_over_the_pods_own_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    account = tmp_path / "account"
    account.mkdir()
    for name, text in (("token", "own"), ("namespace", "inside"), ("ca.crt", "")):
        (account / name).write_text(text)
    monkeypatch.setattr(config, "SERVICE_ACCOUNT", account)
    monkeypatch.setenv("KUBECONFIG", str(written(tmp_path, PLAIN)))
    assert load().context == "one"
    monkeypatch.delenv("KUBECONFIG")
    access = load()
    assert (access.context, access.namespace, access.token_file) == ("in-cluster", "inside", account / "token")
    assert access.server == "https://10.0.0.1:443"


def test_relative_files_are_beside_the_kubeconfig(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(b"an authority")
    text = PLAIN.replace('server: "https', 'certificate-authority: ca.pem, server: "https')
    assert load(written(tmp_path, text)).authority == b"an authority"


def test_proxy_url_of_the_cluster_counts(tmp_path: Path) -> None:
    text = PLAIN.replace('server: "https', 'proxy-url: "http://proxy.test:3128", server: "https')
    assert load(written(tmp_path, text)).proxy == "http://proxy.test:3128"


def test_proxies_of_the_environment_spare_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.test:3128")
    assert proxy_of("https://example.test:6443") == "http://proxy.test:3128"
    assert proxy_of("https://127.0.0.1:6443") is None
    assert proxy_of("https://localhost:6443") is None
    monkeypatch.setenv("NO_PROXY", "example.test")
    assert proxy_of("https://example.test:6443") is None


def test_null_lists_and_an_empty_context_are_told_plainly(tmp_path: Path) -> None:
    empty = "current-context: ''\nusers: null\nclusters: null\ncontexts: null\n"
    with pytest.raises(BadUsage, match="no current context"):
        load(written(tmp_path, empty))


def test_an_unknown_context_names_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(BadUsage) as caught:
        load(written(tmp_path, PLAIN), context="prod")
    assert "one, other" in caught.value.remedy


def test_a_damaged_file_is_told_without_its_secrets(tmp_path: Path) -> None:
    with pytest.raises(BadInput) as caught:
        load(written(tmp_path, PLAIN.replace("{token: sesame}", "{token: [sesame")))
    assert "sesame" not in str(caught.value)
    with pytest.raises(BadInput) as caught:
        load(written(tmp_path, PLAIN.replace("{token: sesame}", "{token: {a: sesame}}")))
    assert "sesame" not in str(caught.value)


def test_no_kubeconfig_at_all() -> None:
    with pytest.raises(CannotLook):
        load()


def test_cluster_and_user_of_another_entry_as_with_kubectl(tmp_path: Path) -> None:
    text = PLAIN.replace("users: [", "users: [{name: v, user: {token: other}}, ").replace(
        "clusters: [", 'clusters: [{name: d, cluster: {server: "https://d.test"}}, '
    )
    path = written(tmp_path, text)
    access = load(path, cluster="d", user="v")
    assert (access.server, access.token, access.namespace) == ("https://d.test", "other", "shop")
    assert load(path, user="v").server == "https://example.test:6443"
    with pytest.raises(BadUsage, match="no cluster 'x'"):
        load(path, cluster="x")
    with pytest.raises(BadUsage, match="no user 'x'"):
        load(path, user="x")
    assert config.names(path) == {"context": ("one", "other"), "cluster": ("d", "c"), "user": ("v", "u")}


def test_impersonated_uid(tmp_path: Path) -> None:
    path = written(tmp_path, PLAIN)
    assert ("Impersonate-Uid", "7") in load(path, as_user="bob", as_uid="7").impersonate.headers
    with pytest.raises(BadUsage, match="need --as"):
        load(path, as_uid="7")


def test_a_login_command_is_told_of_its_cluster(tmp_path: Path) -> None:
    (tmp_path / "login").write_text(
        '#!/bin/sh\nprintf %s "$KUBERNETES_EXEC_INFO" > "$0.asked"\n'
        """echo '{"kind":"ExecCredential","status":{"token":"t"}}'\n"""
    )
    (tmp_path / "login").chmod(0o755)
    plugin = "{exec: {apiVersion: client.authentication.k8s.io/v1, command: ./login, provideClusterInfo: true}}"
    extension = "{name: client.authentication.k8s.io/exec, extension: {audience: a}}"
    text = PLAIN.replace("{token: sesame}", plugin).replace(
        '6443"', f'6443", proxy-url: "http://p:1", tls-server-name: n, extensions: [{extension}]'
    )
    access = load(written(tmp_path, text))
    assert access.plugin is not None
    assert Authorization(access, Plugin(access.plugin, access)).header() == "Bearer t"
    asked = json.loads((tmp_path / "login.asked").read_text())
    assert asked["spec"]["cluster"] == {
        "server": "https://example.test:6443",
        "tls-server-name": "n",
        "proxy-url": "http://p:1",
        "config": {"audience": "a"},
    }
