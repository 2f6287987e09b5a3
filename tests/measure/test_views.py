"""The view is named through the decorators around it."""

from __future__ import annotations

import pytest

from unslow.evidence.profile import Frame
from unslow.measure.views import Role, stage_of, view_of

SITE = "/srv/venv/lib/python3.12/site-packages/"
APP = "/srv/library/views.py"
DISPATCH = [("Flask.wsgi_app", SITE + "flask/app.py"), ("Flask.dispatch_request", SITE + "flask/app.py")]
WRAPPER = ("needs_login.<locals>.wrapper", APP)
BOOKS = ("books", APP)


def stack(*named: tuple[str, str]) -> list[Frame]:
    return [Frame(function=function, file=file, line=1) for function, file in named]


def name(frames: list[Frame]) -> str | None:
    view = view_of(frames)
    return view.function if view else None


@pytest.mark.parametrize(
    ("below", "view"),
    [
        ([BOOKS], "books"),
        ([BOOKS, ("helper", APP)], "books"),
        ([WRAPPER, BOOKS, ("helper", APP)], "books"),
        ([("login_required.<locals>.decorated_view", SITE + "flask_login/utils.py"), BOOKS], "books"),
        ([("View.as_view.<locals>.view", SITE + "flask/views.py"), ("Books.get", APP)], "Books.get"),
        ([("create_app.<locals>.books", APP)], "create_app.<locals>.books"),
        ([WRAPPER], None),
        ([], None),
    ],
)
def test_view(below: list[tuple[str, str]], view: str | None) -> None:
    assert name(stack(*DISPATCH, *below)) == view


def test_django_view() -> None:
    handler = ("BaseHandler._get_response", SITE + "django/core/handlers/base.py")
    generic = ("View.dispatch", SITE + "django/views/generic/base.py")
    assert name(stack(handler, generic, ("Books.get", APP))) == "Books.get"


def test_hook_has_no_view() -> None:
    hook = [DISPATCH[0], ("Flask.preprocess_request", SITE + "flask/app.py"), ("before", APP)]
    assert name(stack(*hook)) is None
    assert stage_of(stack(*hook)) == 0


def test_stages_rise_through_a_request() -> None:
    after = [DISPATCH[0], ("Flask.process_response", SITE + "flask/app.py"), ("after", APP)]
    assert [stage_of(stack(*DISPATCH, BOOKS)), stage_of(stack(*after))] == [1, 2]


def test_a_decorator_s_own_work_hides_the_view() -> None:
    roles: dict[str, Role] = {"audited": "works", "check": "view", "books": "view"}
    frames = stack(*DISPATCH, ("audited", APP), ("check", APP))
    assert view_of(frames, lambda frame: roles[frame.function]) is None
    assert name(frames) == "audited"
