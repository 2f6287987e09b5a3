from __future__ import annotations

from tests.checks.verbs import finds, is_clear, requests, server
from unslow.evidence.servers import Proxy, Server


def behind(read_timeout_s: float) -> Server:
    return server(proxies=(Proxy(name="nginx", pid=1, port=80, read_timeout_s=read_timeout_s),))


def test_the_proxy_gives_up_first() -> None:
    finds("timeouts_misordered", server=behind(2.0), requests=requests(1990.0, 2000.0, status=504))


def test_answers_far_from_the_timeout() -> None:
    is_clear("timeouts_misordered", server=behind(2.0), requests=requests(100.0, 150.0))


def test_the_right_order() -> None:
    is_clear("timeouts_misordered", server=behind(60.0), requests=requests(2000.0, status=504))
