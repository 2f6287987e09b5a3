"""What the API server may answer instead of an answer, each with what would allow the request."""

from __future__ import annotations

from unslow.errors import Unavailable

_BEGINNING, _END = 200, 200
"""A refused pod patch quotes the whole specification between what it is and what is wrong."""


class ApiError(Unavailable):
    """The API server refused; `code` is the HTTP status, `reason` Kubernetes' own word (NotFound, Conflict, ...)."""

    def __init__(
        self, code: int, reason: str, message: str, *, asked: str, remedy: str = "", details: object = None
    ) -> None:
        super().__init__(f"{asked}: {shortened(message)}", remedy or _remedy(code, asked))
        self.code = code
        self.reason = reason
        self.message = message
        self.asked = asked
        self.details = details


class Unreachable(Unavailable):
    """No answer at all: the API server, or the way to it, is down or too slow."""


class Expired(ApiError):
    """410: the version or the page that was asked for is gone; ask anew."""


class Conflict(ApiError):
    """409: somebody else changed the object, or owns the field."""


def shortened(message: str) -> str:
    text = " ".join(message.split())
    return text if len(text) <= _BEGINNING + _END else f"{text[:_BEGINNING]} … {text[-_END:]}"


def _remedy(code: int, asked: str) -> str:
    match code:
        case 401:
            return "log in again: the API server does not accept this identity"
        case 403:
            return f"allow this identity to {asked} (RBAC), or use --as with one that may"
        case 404:
            return "check the name, the namespace and the context"
        case 429:
            return "the API server is overloaded or throttles this identity: try again later"
    return "look at the API server's health" if code >= 500 else "check the request against the cluster's version"
