"""Which view function serves a request, as far as one stack tells.

The view is the first frame of the application below the framework's dispatch. Decorators come first
there: those of installed packages are no application frames; the application's own are passed over
when they only hand the call on (`*args, **kwargs`), and say nothing while they do work of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from unslow.evidence.profile import Frame
from unslow.measure.libraries import bare, is_application, library_path

DISPATCH = {
    "flask/app.py": "dispatch_request",
    "django/core/handlers/base.py": "_get_response",
}
WRAPPER_NAMES = frozenset(
    [
        "wrapper",
        "wrapped",
        "_wrapper",
        "_wrapped",
        "inner",
        "_inner",
        "decorated",
        "decorated_function",
        "decorator",
        "decorated_view",
        "wrapped_view",
        "view_wrapper",
        "wrapped_function",
        "new_func",
        "newfn",
        "func_wrapper",
    ]
)
"""What decorators conventionally call the function that they return."""
FINISHING = frozenset(
    [
        "finalize_request",
        "process_response",
        "do_teardown_request",
        "do_teardown_appcontext",
        "write",
        "write_file",
        "close",
    ]
)

Role = Literal["view", "forwards", "works", "unknown"]
"""What a function of the application is on its line: the view, or a decorator's wrapper that calls the next
function there, or one that does its own work there; unknown: its source could not be read."""
RoleOf = Callable[[Frame], Role]


def role_by_name(frame: Frame) -> Role:
    """For want of source: wrappers are known by their conventional names."""
    return "forwards" if bare(frame.function) in WRAPPER_NAMES else "view"


def view_of(stack: Sequence[Frame], role_of: RoleOf = role_by_name) -> Frame | None:
    """The view function's frame; None outside a view or while a decorator works."""
    start = _dispatch(stack)
    if start is None:
        return None
    frames = [frame for frame in stack[start + 1 :] if is_application(frame)]
    for frame in frames:
        role = role_of(frame)
        if role == "unknown":
            role = role_by_name(frame)
        if role == "works":
            return None
        if role == "view":
            return frame
    return None


def stage_of(stack: Sequence[Frame]) -> int:
    """How far the request is: 0 before the view, 1 dispatched, 2 after it. A fall means another request."""
    if _dispatch(stack) is not None:
        return 1
    names = {bare(frame.function) for frame in stack if not is_application(frame)}
    return 2 if names & FINISHING else 0


def _dispatch(stack: Sequence[Frame]) -> int | None:
    for index, frame in enumerate(stack):
        name = DISPATCH.get(library_path(frame.file) or "")
        if name == bare(frame.function):
            return index
    return None
