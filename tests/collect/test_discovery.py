from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest

from tests.collect.live import RELAY, Callers, accepts, free_port, gunicorn, nginx, running
from unslow.collect.discovery import find, service_name
from unslow.errors import CannotLook


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("gunicorn -w 2 -k gthread billing.wsgi:app -b 127.0.0.1:8000", "billing"),
        ("python -m gunicorn --bind=0.0.0.0:80 -c gunicorn.conf.py wsgi:app", "folder"),
        ("gunicorn -b unix:run.sock shop.factory:create_app()", "shop"),
        ("gunicorn: master [billing.wsgi:app]", "billing"),
        ("gunicorn -b localhost:8000 billing.web", "billing"),
        ("python /srv/things/catalogue/app.py", "catalogue"),
        ("python inventory.py", "inventory"),
        ("flask --app stock:app run -p 5000", "stock"),
        ("flask --app stock run", "stock"),
        ("python manage.py runserver", "folder"),
        ("waitress-serve --port=8041 --threads=4 prices:application", "prices"),
        ("uwsgi --http :9090 --ini uwsgi.ini", "folder"),
    ],
)
def test_a_service_is_named_after_its_application(command: str, expected: str) -> None:
    assert service_name(tuple(command.split()), "/srv/folder") == expected


def test_nothing_listens() -> None:
    with pytest.raises(CannotLook, match="nothing listens"):
        find(f"http://127.0.0.1:{free_port()}/x")


def test_another_machine_cannot_be_looked_at() -> None:
    with pytest.raises(CannotLook, match="not this machine"):
        find("http://192.0.2.1:8000/")


def test_an_unknown_host_is_said_to_be_unknown() -> None:
    with pytest.raises(CannotLook, match="cannot resolve"):
        find("http://no-such-host.invalid/")


def test_a_python_server_without_workers_is_its_own_worker() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        found = find(f"127.0.0.1:{listener.getsockname()[1]}/some/path?q=1")
    assert (found.master, found.workers) == (os.getpid(), (os.getpid(),))
    assert found.path == "/some/path"
    assert found.proxies == ()


@pytest.mark.lab
@pytest.mark.parametrize("options", [("-w", "2"), ("-w", "2", "--threads", "3", "--preload")])
def test_gunicorns_master_and_workers(tmp_path: Path, options: tuple[str, ...]) -> None:
    with gunicorn(tmp_path, *options) as port:
        found = find(f"http://localhost:{port}/")
        assert len(found.workers) == 2
        assert found.master not in found.workers
        assert found.workers_now() == found.workers
        assert (found.service, found.cwd, found.ports) == ("shopfront", str(tmp_path), (port,))
        assert Path(found.python) == Path(sys.executable).resolve()


@pytest.mark.lab
def test_another_users_application_names_the_remedy(tmp_path: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can become another user")
    with gunicorn(tmp_path, "-w", "1") as port:
        child = os.fork()
        if child == 0:
            os.setgroups([])
            os.setuid(65534)
            try:
                find(f"http://127.0.0.1:{port}/")
            except CannotLook as error:
                os._exit(17 if "uid 0" in error.message and "root" in error.remedy else 1)
            os._exit(2)
        _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 17


@pytest.mark.lab
def test_behind_nginx_with_its_timeouts(tmp_path: Path) -> None:
    with (
        gunicorn(tmp_path, "-w", "1") as port,
        nginx(tmp_path, f"127.0.0.1:{port}", "proxy_read_timeout 1m5s; proxy_http_version 1.0;") as front,
    ):
        found = find(f"http://127.0.0.1:{front}/sleep/1")
        assert found.ports == (port,)
        (proxy,) = found.proxies
        assert (proxy.name, proxy.port, proxy.read_timeout_s) == ("nginx", front, 65.0)
        assert (proxy.connect_timeout_s, proxy.keepalive) == (60.0, False)


@pytest.mark.lab
def test_behind_nginx_and_a_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "app.sock"
    with gunicorn(tmp_path, "-w", "1", bind=f"unix:{path}"), nginx(tmp_path, f"unix:{path}") as front:
        found = find(f"http://127.0.0.1:{front}/")
        assert found.ports == ()
        assert found.listeners[0].address == f"unix:{path}"
        assert len(found.workers) == 1


@pytest.mark.lab
def test_through_nginx_and_a_relay_that_passes_bytes_on(tmp_path: Path) -> None:
    relayed = free_port()
    (tmp_path / "relay.py").write_text(RELAY)
    with gunicorn(tmp_path, "-w", "1", "--threads", "4") as port:
        command = [sys.executable, "relay.py", str(relayed), str(port), "0.02"]
        with (
            running(command, tmp_path, lambda: accepts(relayed)),
            nginx(tmp_path, f"127.0.0.1:{relayed}") as front,
            Callers(front, "/sleep/20", 20, threads=2),
        ):
            found = find(f"http://127.0.0.1:{front}/sleep/20")
            assert [proxy.name for proxy in found.proxies] == ["nginx", Path(sys.executable).name]
            assert found.ports == (port,)


@pytest.mark.lab
def test_nginx_without_an_application_is_said_so(tmp_path: Path) -> None:
    with (
        nginx(tmp_path, f"127.0.0.1:{free_port()}") as front,
        pytest.raises(CannotLook, match="no Python app"),
    ):
        find(f"http://127.0.0.1:{front}/")
