from __future__ import annotations

from pathlib import Path

import pytest

from unslow.collect.nginx import Directive, Route, find_route, load, seconds

OLD, NEW = (1, 22, 1), (1, 29, 7)
CONFIG = """
# a comment; with { marks }
events { worker_connections 64; }
http {
  proxy_read_timeout 45s;
  upstream app { server 127.0.0.1:9001; server 127.0.0.1:9002 backup; keepalive 16; }
  include sites/*.conf;
}
"""
SITE = """
server {
  listen 8080 default_server;
  location / { proxy_pass http://127.0.0.1:9100/; }
  location /api { proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection ""; }
  location /api/slow { proxy_pass http://app; proxy_read_timeout 1m30s; proxy_connect_timeout 500ms; }
  location = /api/exact { proxy_pass http://unix:/run/exact.sock:/; }
  location ~ "^/v[0-9]+/" { set $to 127.0.0.1:9200; proxy_pass http://$to$request_uri; }
  location ^~ /v1/fixed { proxy_pass https://secure.example; }
  location /dynamic { proxy_pass http://$arg_host; }
}
server {
  listen 127.0.0.1:8080; server_name other.example *.wild.example;
  location / { proxy_pass http://127.0.0.1:9300; }
}
"""


@pytest.fixture
def tree(tmp_path: Path) -> tuple[Directive, ...]:
    (tmp_path / "sites").mkdir()
    (tmp_path / "nginx.conf").write_text(CONFIG)
    (tmp_path / "sites" / "a.conf").write_text(SITE)
    return load(tmp_path / "nginx.conf")


def upstreams(tree: tuple[Directive, ...], path: str, host: str = "localhost") -> tuple[str, ...]:
    found = find_route(tree, 8080, host, path, OLD)
    assert found is not None
    return found.upstreams


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", ("127.0.0.1:9100",)),
        ("/elsewhere", ("127.0.0.1:9100",)),
        ("/api", ("127.0.0.1:9001", "127.0.0.1:9002")),
        ("/api/slow/x", ("127.0.0.1:9001", "127.0.0.1:9002")),
        ("/api/exact", ("unix:/run/exact.sock",)),
        ("/v2/things", ("127.0.0.1:9200",)),
        ("/v1/fixed/x", ("secure.example:443",)),
    ],
)
def test_a_path_goes_where_nginx_sends_it(tree: tuple[Directive, ...], path: str, expected: tuple[str, ...]) -> None:
    assert upstreams(tree, path) == expected


def test_the_host_chooses_the_server(tree: tuple[Directive, ...]) -> None:
    assert upstreams(tree, "/", "other.example") == ("127.0.0.1:9300",)
    assert upstreams(tree, "/", "a.wild.example") == ("127.0.0.1:9300",)
    assert upstreams(tree, "/", "unknown.example") == ("127.0.0.1:9100",)


def test_timeouts_come_from_the_innermost_block(tree: tuple[Directive, ...]) -> None:
    slow = find_route(tree, 8080, "x", "/api/slow", OLD)
    plain = find_route(tree, 8080, "x", "/", OLD)
    assert slow == Route(("127.0.0.1:9001", "127.0.0.1:9002"), 90.0, 0.5, keepalive=False)
    assert plain == Route(("127.0.0.1:9100",), 45.0, 60.0, keepalive=False)


def test_keepalive_follows_the_version(tree: tuple[Directive, ...]) -> None:
    configured = find_route(tree, 8080, "x", "/api", OLD)
    by_default = find_route(tree, 8080, "x", "/", NEW)
    assert configured is not None
    assert configured.keepalive
    assert by_default is not None
    assert by_default.keepalive


def test_what_the_configuration_cannot_tell_is_none(tree: tuple[Directive, ...]) -> None:
    assert find_route(tree, 8080, "x", "/dynamic", OLD) is None
    assert find_route(tree, 9999, "x", "/", OLD) is None


@pytest.mark.parametrize("text", ["", "}", "http {", 'server "', "{{{", "a b c", "http { server { listen x:; } }"])
def test_damaged_configuration_is_no_route(tmp_path: Path, text: str) -> None:
    (tmp_path / "broken.conf").write_text(text)
    assert find_route(load(tmp_path / "broken.conf"), 8080, "x", "/", OLD) is None


def test_times_as_nginx_writes_them() -> None:
    assert [seconds(text, 7.0) for text in ("60", "1m30s", "500ms", "2h", "")] == [
        60.0,
        90.0,
        0.5,
        7200.0,
        7.0,
    ]
