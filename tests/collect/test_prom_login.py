"""Certificates with a real Prometheus that demands them; headers, tokens and AWS keys with servers that keep what they were sent."""

from __future__ import annotations

import http.server
import json
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from tests.collect.real_prometheus import page, prometheus
from unslow.collect import prom_irsa, prom_login
from unslow.collect.prom_login import Login
from unslow.collect.prometheus_api import Api
from unslow.errors import BadInput, Unavailable

ARN = "arn:aws:iam::123456789012:role/reader"


def written(folder: Path, **body: object) -> Path:
    path = folder / "http.yml"
    path.write_text(json.dumps(body))
    return path


class Kept:
    """A server that answers every request alike and keeps what it was sent."""

    def __init__(self, body: bytes, status: int = 200) -> None:
        self.seen: list[tuple[str, dict[str, str], bytes]] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                outer.seen.append((self.path, dict(self.headers), asked))
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET  # noqa: N815 - a name that the library calls

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def __enter__(self) -> Kept:
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()


EMPTY = b'{"status":"success","data":{"resultType":"vector","result":[]}}'


def test_the_client_file_of_promtool(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("hush\n")
    login = prom_login.read(
        written(
            tmp_path,
            basic_auth={"username": "u", "password_file": "password"},
            http_headers={"X-Scope-OrgID": {"values": ["team"]}},
        )
    )
    with Kept(EMPTY) as server:
        Api(f"{server.url}/prometheus", login).instant("up", 0)
        path, headers, _ = server.seen[0]
    assert path.startswith("/prometheus/api/v1/query?")
    assert headers["X-Scope-OrgID"] == "team"
    assert headers["Authorization"] == "Basic dTpodXNo"


def test_a_rotated_token_is_read_again(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("one")
    login = prom_login.read(written(tmp_path, authorization={"credentials_file": "token"}))
    with Kept(EMPTY) as server:
        api = Api(server.url, login)
        api.instant("up", 0)
        (tmp_path / "token").write_text("two")
        api.instant("up", 0)
        assert [headers["Authorization"] for _, headers, _ in server.seen] == ["Bearer one", "Bearer two"]


def test_a_proxy_is_asked_for_a_tunnel(tmp_path: Path) -> None:
    login = prom_login.of(written(tmp_path, proxy_url="http://127.0.0.1:1"), {"X-A": "b"})
    assert login.headers == {"X-A": "b"}
    with Kept(EMPTY) as server, pytest.raises(Unavailable, match="no connection"):
        Api(server.url, login).instant("up", 0)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"oauth2": {"client_id": "x"}}, "oauth2"),
        ({"tls_config": {"cert_file": "missing.pem"}}, "certificate"),
        ({"basic_auth": {"username": "u", "password_file": "missing"}}, "missing"),
    ],
)
def test_what_cannot_be_carried_out_is_refused(tmp_path: Path, body: dict[str, object], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        prom_login.read(written(tmp_path, **body))


def _certified(folder: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("no openssl here")

    def run(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    run("req", "-x509", *new, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=ca", "-days", "2")
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1")
    for name in ("server", "client"):
        run("req", *new, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        run("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
            "-out", f"{name}.pem", "-days", "2", "-extfile", "names")  # fmt: skip


def test_a_real_server_that_demands_a_certificate(tmp_path: Path) -> None:
    _certified(tmp_path)
    tls = {
        "cert_file": "server.pem",
        "key_file": "server.key",
        "client_ca_file": "ca.pem",
        "client_auth_type": "RequireAndVerifyClientCert",
    }
    (tmp_path / "web.yml").write_text(json.dumps({"tls_server_config": tls}))
    client = {"ca_file": "ca.pem", "cert_file": "client.pem", "key_file": "client.key"}
    login = prom_login.read(written(tmp_path, tls_config=client))
    without = prom_login.read(written(tmp_path, tls_config={"ca_file": "ca.pem"}))
    with (
        page(lambda: b"a 1\n", "text/plain") as port,
        prometheus(tmp_path, port, f"--web.config.file={tmp_path}/web.yml", scheme="https") as address,
    ):
        for _ in range(100):
            try:
                (one,) = Api(address, login).instant("vector(1)", time.time())
                break
            except Unavailable:  # it listens before it is ready
                time.sleep(0.2)
        assert one.value is not None
        assert one.value[1] == "1"
        with pytest.raises(Unavailable, match=r"TLS|no connection"):
            Api(address, without).instant("vector(1)", time.time())
        with pytest.raises(Unavailable, match="TLS"):
            Api(address).instant("vector(1)", time.time())


def sts(until: str) -> bytes:
    """The documented answer of AssumeRoleWithWebIdentity."""
    return f"""<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <AssumeRoleWithWebIdentityResult>
    <SubjectFromWebIdentityToken>amzn1.account.AF6RHO7KZU5XRVQJGXK6HB56KR2A</SubjectFromWebIdentityToken>
    <Audience>sts.amazonaws.com</Audience>
    <AssumedRoleUser><Arn>arn:aws:sts::123456789012:assumed-role/reader/unslow</Arn>
      <AssumedRoleId>AROACLKWSDQRAOEXAMPLE:unslow</AssumedRoleId></AssumedRoleUser>
    <Credentials>
      <SessionToken>session/token+=</SessionToken>
      <SecretAccessKey>wJalrXUtnFEMI/K7MDENG/bPxRfiCYzEXAMPLEKEY</SecretAccessKey>
      <Expiration>{until}</Expiration>
      <AccessKeyId>ASgeIAIOSFODNN7EXAMPLE</AccessKeyId>
    </Credentials>
    <Provider>www.amazon.com</Provider>
  </AssumeRoleWithWebIdentityResult>
  <ResponseMetadata><RequestId>ad4156e9-bce1-11e2-82e6-6b6efEXAMPLE</RequestId></ResponseMetadata>
</AssumeRoleWithWebIdentityResponse>""".encode()


@pytest.fixture
def identity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ROLE_SESSION_NAME"):
        monkeypatch.delenv(name, raising=False)
    token = tmp_path / "token"
    token.write_text("header.claims.signature\n")
    monkeypatch.setenv("AWS_ROLE_ARN", ARN)
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(token))
    prom_irsa._known.clear()
    yield token
    prom_irsa._known.clear()


def test_a_pods_role_signs_the_question(identity: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Kept(sts("2099-05-14T23:00:23Z")) as token_service, Kept(EMPTY) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", token_service.url)
        api = Api(f"{server.url}/workspaces/ws-1", Login(region="eu-west-1"))
        api.instant("up", 0)
        api.instant("up", 0)
        assert len(token_service.seen) == 1, "the keys are kept until they end"
        asked = {name: values[0] for name, values in parse_qs(token_service.seen[0][2].decode()).items()}
        headers = server.seen[0][1]
    assert asked == {
        "Action": "AssumeRoleWithWebIdentity",
        "Version": "2011-06-15",
        "RoleArn": ARN,
        "RoleSessionName": "unslow",
        "WebIdentityToken": "header.claims.signature",
    }
    assert headers["Authorization"].startswith("AWS4-HMAC-SHA256 Credential=ASgeIAIOSFODNN7EXAMPLE/")
    assert "/eu-west-1/aps/aws4_request" in headers["Authorization"]
    assert headers["x-amz-security-token"] == "session/token+="


def test_ended_keys_are_asked_for_again(identity: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Kept(sts("2020-01-01T00:00:00Z")) as token_service:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", token_service.url)
        prom_irsa.keys("eu-west-1")
        identity.write_text("rotated")
        prom_irsa.keys("eu-west-1")
        assert [b"WebIdentityToken=rotated" in body for _, _, body in token_service.seen] == [False, True]


def test_a_refusal_names_the_role_and_shows_no_token(identity: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = b"<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code></Error></ErrorResponse>"
    with Kept(body, 403) as token_service:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", token_service.url)
        with pytest.raises(Unavailable, match="AccessDenied") as raised:
            prom_irsa.keys("eu-west-1")
    assert ARN in raised.value.missing
    assert "signature" not in f"{raised.value.missing}{raised.value.remedy}"


def test_keys_of_the_environment_come_first(identity: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    found = prom_irsa.keys("eu-west-1")
    assert found is not None
    assert found.access == "AKID"
