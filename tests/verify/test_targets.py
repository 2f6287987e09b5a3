"""Only this machine, private networks and hosts that the user names are put under load."""

from __future__ import annotations

import pytest

from tests.verify import servers
from unslow.errors import BadUsage
from unslow.http_request import http_request
from unslow.verify.targets import is_private, resolve


@pytest.mark.parametrize(
    "url",
    [
        "http://8.8.8.8/",
        "http://134744072/",  # 8.8.8.8 as one number
        "http://0x08080808/",
        "http://[2001:4860:4860::8888]/",
        "http://[::ffff:8.8.8.8]/",
        "http://169.254.169.254/latest/meta-data/",
        "http://[fe80::1]/",
        "http://0.0.0.0/",
        "http://224.0.0.1/",
        "http://192.0.2.1/",
        "http://127.0.0.1@8.8.8.8/",
    ],
)
def test_hosts_outside_are_refused(url: str) -> None:
    with pytest.raises(BadUsage, match="neither this machine nor a private network"):
        resolve(http_request(url), ())


def test_a_pattern_is_no_host() -> None:
    with pytest.raises(BadUsage, match="pattern"):
        resolve(http_request("http://127.0.0.1/"), ("*",))


def test_an_allowed_name_does_not_allow_another() -> None:
    with pytest.raises(BadUsage):
        resolve(http_request("http://8.8.8.8/"), ("example.com", "8.8.8.80"))


def test_loopback_by_address_name_and_number() -> None:
    with servers.serving(servers.keep_alive) as server:
        for host in ("127.0.0.1", "localhost", "2130706433", "[::ffff:127.0.0.1]"):
            found = resolve(http_request(f"http://{host}:{server.port}/"), ())
            assert found.sockaddr[1] == server.port


@pytest.mark.parametrize(
    ("address", "private"),
    [
        ("10.1.2.3", True),
        ("172.31.0.1", True),
        ("172.32.0.1", False),
        ("192.168.1.1", True),
        ("100.64.0.1", True),
        ("fd00::1", True),
        ("fe80::1%eth0", False),
        ("::ffff:10.0.0.1", True),
        ("1.1.1.1", False),
    ],
)
def test_private_networks(address: str, private: bool) -> None:
    assert is_private(address) is private
