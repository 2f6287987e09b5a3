"""URLs and headers as requests: credentials stay out of the URL, nothing breaks out of its line."""

from __future__ import annotations

import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unslow.errors import BadUsage
from unslow.http_request import http_request, tls_context


@given(st.text(max_size=40), st.text(max_size=40), st.text(max_size=40))
def test_nothing_given_can_add_a_line_or_a_header(path: str, name: str, value: str) -> None:
    try:
        request = http_request("http://127.0.0.1:8000/" + path, headers={name: value})
    except BadUsage:
        return
    head, _, body = request.encoded().partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert body == b""
    assert len(lines) == 1 + len(request.headers)
    assert len(lines[0].split(b" ")) == 3
    assert not any(b"\r" in line or b"\n" in line for line in lines)


def test_credentials_go_into_the_header_only() -> None:
    request = http_request("https://us%40er:p%3Aw@shop.example:8443/a?b=c#d")
    assert request.url == "https://shop.example:8443/a?b=c"
    assert request.headers["Authorization"] == "Basic dXNAZXI6cDp3"
    assert (request.secure, request.host, request.port) == (True, "shop.example", 8443)


@pytest.mark.parametrize(
    ("url", "host", "port", "named", "literal", "loopback"),
    [
        ("http://localhost/", "localhost", 80, "localhost", False, True),
        ("https://127.0.0.2/", "127.0.0.2", 443, "127.0.0.2", True, True),
        ("http://[::1]:81", "::1", 81, "[::1]:81", True, True),
        ("http://10.0.0.1/", "10.0.0.1", 80, "10.0.0.1", True, False),
        ("http://bücher.example/", "xn--bcher-kva.example", 80, "xn--bcher-kva.example", False, False),
        ("http://localhost.example/", "localhost.example", 80, "localhost.example", False, False),
    ],
)
def test_where_it_goes(url: str, host: str, port: int, named: str, literal: bool, loopback: bool) -> None:
    request = http_request(url)
    assert (request.host, request.port, request.headers["Host"]) == (host, port, named)
    assert (request.is_literal, request.is_loopback) == (literal, loopback)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://h/",
        "file:///etc/passwd",
        "http:///x",
        "shop.example/a",
        "http://h:0x50/",
        "http://h:70000/",
        "http://a b/",
        "http://[::1/",
        "http://a..ü/",
        "",
    ],
)
def test_what_is_no_url_to_ask(url: str) -> None:
    with pytest.raises(BadUsage):
        http_request(url)


def test_a_piece_of_a_password_is_not_quoted() -> None:
    with pytest.raises(BadUsage) as caught:
        http_request("http://user:hunter2/x@h/")
    assert "hunter2" not in caught.value.message + caught.value.remedy


def test_headers_given_replace_ours_whatever_their_case() -> None:
    request = http_request("http://h/", headers={"user-agent": "mine", "HOST": "other"})
    assert {name.lower(): value for name, value in request.headers.items()}["host"] == "other"
    assert [name.lower() for name in request.headers].count("user-agent") == 1


def test_a_body_has_its_length() -> None:
    assert http_request("http://h/", method="POST", body=b"abc").encoded().endswith(b"Content-Length: 3\r\n\r\nabc")
    assert b"Content-Length: 0" in http_request("http://h/", method="POST").encoded()
    assert b"Content-Length" not in http_request("http://h/").encoded()


def test_certificates_are_checked_except_on_loopback() -> None:
    assert tls_context(http_request("https://shop.example/")).verify_mode == ssl.CERT_REQUIRED
    assert tls_context(http_request("https://10.0.0.1/")).check_hostname
    assert tls_context(http_request("https://localhost/")).verify_mode == ssl.CERT_NONE
