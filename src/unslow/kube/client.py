"""One connection pool to one API server: requests, typed lists in pages, and honest errors.

Impersonation is sent with every request. Each answer's `Warning` headers and audit id are kept. A request
that the server throttles is repeated when it says so, within the deadline.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import ssl
import tempfile
import threading
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal, TypeVar

import msgspec

from unslow.errors import BadInput
from unslow.kube.config import Access
from unslow.kube.connection import Connections, Response, target_of
from unslow.kube.credentials import Authorization, Plugin
from unslow.kube.errors import ApiError, Conflict, Expired, Unreachable
from unslow.kube.meta import ListMeta, ListOf

T = TypeVar("T")
Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
Parameters = Mapping[str, str | int | Sequence[str]]

PAGE = 500
"""Objects of one page: small answers keep both sides' memory small."""
TIMEOUT_S = 10.0
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"
_TRIES = 4
_LONGEST_PAUSE_S = 5.0


class Status(msgspec.Struct, frozen=True):
    """The body of a refusal."""

    code: int = 0
    reason: str = ""
    message: str = ""
    details: Any = None
    metadata: ListMeta = ListMeta()


class Client:
    """Thread-safe; `requests` counts what was sent, `warnings` what the server warned of."""

    def __init__(self, access: Access, *, connections: int = 8, deadline: float | None = None) -> None:
        self.access = access
        self.requests = 0
        self.warnings: list[str] = []
        self.damaged = 0
        """Objects of lists that could not be read and were left out."""
        self.audit_id = ""
        self._deadline = deadline
        self._lock = threading.Lock()
        plugin = Plugin(access.plugin, access) if access.plugin else None
        self.authorization = Authorization(access, plugin)
        self.tls = _tls(access, plugin)
        self.connections = Connections(
            access.server, self.tls, name=access.server_name, proxy=access.proxy, keep=connections
        )

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.connections.close()

    def left_s(self, at_most: float = TIMEOUT_S) -> float:
        """Seconds until the deadline; raises `Unreachable` when it is over."""
        left = self.remaining_s(at_most)
        if left <= 0.05:
            raise Unreachable("no time was left to ask the API server", "give a longer --budget")
        return left

    def remaining_s(self, at_most: float = TIMEOUT_S) -> float:
        """Seconds until the deadline, below 0 when it is over."""
        return at_most if self._deadline is None else min(at_most, self._deadline - time.monotonic())

    def get(self, path: str, type_: type[T], parameters: Parameters | None = None, *, asked: str = "") -> T:
        return decoded(self.send("GET", path, parameters=parameters, asked=asked).content, type_, path)

    def text(self, path: str, parameters: Parameters | None = None, *, asked: str = "", timeout_s: float = 0) -> str:
        """A page that is no object: metrics, a node's or an application's answer through a proxy."""
        return self.send("GET", path, parameters=parameters, asked=asked, timeout_s=timeout_s).text

    def post(self, path: str, body: object, type_: type[T], *, asked: str = "", dry_run: bool = False) -> T:
        parameters = {"dryRun": "All"} if dry_run else None
        return decoded(self.send("POST", path, body=body, parameters=parameters, asked=asked).content, type_, path)

    def patch(
        self,
        path: str,
        body: object,
        type_: type[T],
        *,
        kind: str = MERGE,
        asked: str = "",
        dry_run: bool = False,
        parameters: Parameters | None = None,
    ) -> T:
        """Unknown fields are refused, not dropped. With `resourceVersion` in the body a change in between is 409."""
        extra = {"fieldValidation": "Strict", **(parameters or {}), **({"dryRun": "All"} if dry_run else {})}
        return decoded(
            self.send("PATCH", path, body=body, parameters=extra, content_type=kind, asked=asked).content, type_, path
        )

    def delete(self, path: str, *, uid: str = "", grace_s: int | None = None, dry_run: bool = False) -> None:
        """With `uid`, an object that was made anew under the same name is left alone (409)."""
        body: dict[str, object] = {"propagationPolicy": "Background"}
        if uid:
            body["preconditions"] = {"uid": uid}
        if grace_s is not None:
            body["gracePeriodSeconds"] = grace_s
        self.send("DELETE", path, body=body, parameters={"dryRun": "All"} if dry_run else None)

    def items(
        self,
        path: str,
        type_: type[T],
        *,
        fields: str = "",
        labels: str = "",
        page: int = PAGE,
        asked: str = "",
        parameters: Parameters | None = None,
    ) -> Iterator[T]:
        """All objects, page by page. When a page has expired, the whole list is asked for again in one piece.

        Only good objects are given: one that cannot be read is counted in `damaged`.
        """
        query: dict[str, Any] = {"limit": page, **(parameters or {})}
        if fields:
            query["fieldSelector"] = fields
        if labels:
            query["labelSelector"] = labels
        given = 0
        while True:
            try:
                content = self.send("GET", path, parameters=query, asked=asked).content
            except Expired:
                if "continue" not in query:
                    raise
                query.pop("continue")
                query.pop("limit")
                whole = self.send("GET", path, parameters=query, asked=asked).content
                yield from self._page(whole, type_, path)[0][given:]
                return
            items, metadata = self._page(content, type_, path)
            del content
            given += len(items)
            yield from items
            if not metadata.continue_:
                return
            query["continue"] = metadata.continue_

    def _page(self, content: bytes, type_: type[T], path: str) -> tuple[list[T], ListMeta]:
        try:
            page = _decoder(ListOf[type_]).decode(content)  # type: ignore[valid-type]
            return page.items or [], page.metadata
        except msgspec.ValidationError:
            raw = decoded(content, ListOf[msgspec.Raw], path)
        good = []
        for item in raw.items or ():
            try:
                good.append(_decoder(type_).decode(item))
            except msgspec.ValidationError:
                self.damaged += 1
        return good, raw.metadata

    def send(
        self,
        method: Method,
        path: str,
        *,
        parameters: Parameters | None = None,
        body: object = None,
        content_type: str = "application/json",
        asked: str = "",
        timeout_s: float = 0,
    ) -> Response:
        """One request; a throttled one is repeated as the server says. Raises `ApiError` or `Unreachable`."""
        asked = asked or f"{method.lower()} {path}"
        target = target_of(path, parameters)
        content = None if body is None else msgspec.json.encode(body)
        extra = () if content is None else (("Content-Type", content_type),)
        renew = False
        for attempt in range(_TRIES):
            headers = (*self.headers(renew=renew), *extra)
            response = self._once(method, target, headers, content, asked, timeout_s or TIMEOUT_S)
            renew = response.status == 401 and self.authorization.renewable and not renew
            if attempt == _TRIES - 1 or not (renew or self._again(method, response, attempt)):
                break
        if response.ok:
            return response
        raise refusal(response, asked)

    def headers(self, *, renew: bool = False) -> list[tuple[str, str]]:
        """Who asks, and as whom."""
        authorization = self.authorization.header(renew=renew)
        own = [("User-Agent", "unslow"), ("Accept", "application/json"), *self.access.impersonate.headers]
        return [*own, ("Authorization", authorization)] if authorization else own

    def _once(
        self,
        method: Method,
        target: str,
        headers: Sequence[tuple[str, str]],
        content: bytes | None,
        asked: str,
        timeout_s: float,
    ) -> Response:
        deadline = time.monotonic() + self.left_s(timeout_s)
        try:
            response = self.connections.request(method, target, headers, content, deadline, compressed=True)
        except (OSError, http.client.HTTPException, zlib.error, ValueError) as error:
            raise unreachable(self.access.server, asked, error) from error
        self.noted(response)
        return response

    def _again(self, method: Method, response: Response, attempt: int) -> bool:
        """Throttled requests were not carried out; others are repeated only when they change nothing.

        Waits as the server asks; False when that is longer than is left.
        """
        code = response.status
        if code != 429 and not (method == "GET" and code in {502, 503, 504}):
            return False
        try:
            pause = float(response.headers.get("Retry-After") or "")
        except ValueError:
            pause = 0.1 * 2**attempt
        if pause > _LONGEST_PAUSE_S or (self._deadline and time.monotonic() + pause > self._deadline):
            return False
        time.sleep(pause)
        return True

    def noted(self, response: Response) -> None:
        """Counts it, and keeps what its headers say besides."""
        self.audit_id = response.headers.get("Audit-Id") or ""
        with self._lock:
            self.requests += 1
            for warning in response.headers.get_all("Warning") or ():
                text = warning.partition('"')[2].rpartition('"')[0] or warning
                if text not in self.warnings:
                    self.warnings.append(text)

    @contextlib.contextmanager
    def stream(
        self, path: str, parameters: Parameters | None = None, *, asked: str = "", quiet_s: float | None = None
    ) -> Iterator[Iterator[bytes]]:
        """An answer that comes bit by bit; `quiet_s` is the longest silence (None: for ever)."""
        asked = asked or f"get {path}"
        deadline = time.monotonic() + self.left_s()
        target = target_of(path, parameters)
        try:
            with self.connections.stream(target, self.headers(), deadline, quiet_s) as (response, pieces):
                self.noted(response)
                if response.status >= 400:
                    raise refusal(response, asked)
                yield pieces
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise unreachable(self.access.server, asked, error) from error


def refusal(response: Response, asked: str) -> ApiError:
    """The error of an answer that is none; its body is a Status, or plain text for a path that does not exist."""
    try:
        status = msgspec.json.decode(response.content, type=Status)
    except msgspec.DecodeError:
        status = Status(message=response.text)
    code = response.status
    kind = {409: Conflict, 410: Expired}.get(code, ApiError)
    message = status.message or f"HTTP {code}"
    return kind(code, status.reason, message, asked=asked, details=status.details)


def unreachable(server: str, asked: str, error: Exception) -> Unreachable:
    what = "did not answer in time" if isinstance(error, TimeoutError) else "cannot be reached"
    return Unreachable(
        f"{asked}: the API server {server} {what} ({type(error).__name__})"[:300],
        "check the network, the VPN and the context: `kubectl version` must answer",
    )


_decoder: Any = lru_cache(maxsize=256)(msgspec.json.Decoder)


def decoded(content: bytes, type_: type[T], path: str) -> T:
    try:
        answer: T = _decoder(type_).decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ApiError(
            200,
            "Unreadable",
            f"the answer is not what was expected ({error})",
            asked=f"get {path}",
            remedy="a proxy may have answered in place of the API server",
        ) from error
    return answer


def _tls(access: Access, plugin: Plugin | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cadata=access.authority.decode() if access.authority else None)
    except (ssl.SSLError, UnicodeDecodeError):
        raise BadInput("the kubeconfig's certificate-authority is no PEM certificate") from None
    if access.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    certificate, key = access.certificate, access.key
    if plugin and not certificate:
        status = plugin.status()
        certificate, key = status.client_certificate_data.encode(), status.client_key_data.encode()
    if certificate and key:
        _load_chain(context, certificate, key)
    return context


def _load_chain(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """The library reads keys from files only: one that nobody else can read, and that is gone at once."""
    handle, path = tempfile.mkstemp()
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(certificate + b"\n" + key)
        context.load_cert_chain(path)
    except ssl.SSLError:
        raise BadInput("the kubeconfig's client certificate and key do not fit together") from None
    finally:
        os.unlink(path)  # noqa: PTH108
