"""Errors that a user can act on; each carries the remedy and the exit code.

Only `cli.main` catches `UnslowError`; it prints one line and exits.
"""

from __future__ import annotations


class UnslowError(Exception):
    """Base of all expected failures."""

    exit_code = 2

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


class BadUsage(UnslowError):
    """The command line asks for something that makes no sense."""


class BadInput(UnslowError):
    """A file or an answer from outside is not what it should be."""


class CannotLook(UnslowError):
    """The target could not be observed at all."""

    exit_code = 3


class Unavailable(Exception):
    """Raised by a collector: this source is not there. Becomes `Skipped`, never a traceback."""

    def __init__(self, missing: str, remedy: str) -> None:
        super().__init__(missing)
        self.missing = missing
        self.remedy = remedy
