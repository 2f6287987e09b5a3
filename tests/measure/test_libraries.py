"""Files are told to be the application's, installed or standard by their path."""

from __future__ import annotations

import pytest

from unslow.evidence.profile import Frame
from unslow.measure.libraries import bare, dotted, is_application, label, library_path


@pytest.mark.parametrize(
    ("file", "path"),
    [
        ("/srv/app/views.py", None),
        ("views.py", None),
        ("/srv/lib/python/views.py", None),
        ("/srv/app/.venv/lib/python3.12/site-packages/redis/client.py", "redis/client.py"),
        ("/usr/lib/python3/dist-packages/flask/app.py", "flask/app.py"),
        ("/usr/local/lib/python3.11/json/__init__.py", "json/__init__.py"),
        ("/opt/python/cpython-3.13/lib/python3.13t/socket.py", "socket.py"),
        ("<frozen importlib._bootstrap>", "importlib/_bootstrap.py"),
        ("<string>", "<string>"),
        ("/srv/venv/bin/gunicorn", "bin/gunicorn"),
    ],
)
def test_library_path(file: str, path: str | None) -> None:
    assert library_path(file) == path
    assert is_application(Frame(function="f", file=file, line=1)) is (path is None)


def test_names() -> None:
    loads = Frame(function="loads", file="/usr/lib/python3.11/json/__init__.py", line=1)
    nested = Frame(function="create_app.<locals>.books", file="/srv/library/api/views.py", line=1)
    assert dotted(loads) == "json.loads"
    assert label(nested) == "books (api/views.py)"
    assert bare("Session.execute") == "execute"
