"""nginx's configuration: which upstream serves a path, and with which timeouts.

The files are parsed; of nginx itself only `nginx -V` is run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from unslow.collect import processes

_TOKEN = re.compile(
    r"""\s+|\#[^\n]*|"((?:\\.|[^"\\])*)"|'((?:\\.|[^'\\])*)'|([{};])|((?:\$\{|\\.|[^\s{};"'])[^\s{};]*)"""
)
_UNIT_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "": 1.0}
_KEEPALIVE_BY_DEFAULT = (1, 29, 7)
"""From this version upstream connections are kept open unless configured otherwise."""
DEFAULT_TIMEOUT_S = 60.0


class Directive(NamedTuple):
    name: str
    arguments: tuple[str, ...]
    block: tuple[Directive, ...]


class Route(NamedTuple):
    """Where nginx sends one path."""

    upstreams: tuple[str, ...]
    """`host:port` or `unix:/path`."""
    read_timeout_s: float
    connect_timeout_s: float
    keepalive: bool


def route(master_pid: int, port: int, host: str, path: str) -> Route | None:
    """The route that the running nginx has for a URL; None when its configuration cannot tell."""
    version, compiled_path, prefix = _build(master_pid)
    arguments = processes.command_line(master_pid)
    working_folder = Path(processes.working_folder(master_pid) or "/")
    prefix_path = working_folder / (_option(arguments, "-p") or prefix)
    file = prefix_path / (_option(arguments, "-c") or compiled_path)
    root = Path(f"/proc/{master_pid}/root")
    try:
        return find_route(load(file, root if _readable(root) else Path("/")), port, host, path, version)
    except OSError:
        return None


def _readable(root: Path) -> bool:
    try:
        return (root / "proc").exists()
    except OSError:
        return False


def _option(arguments: tuple[str, ...], name: str) -> str:
    for at, argument in enumerate(arguments):
        if argument == name and at + 1 < len(arguments):
            return arguments[at + 1]
        if argument.startswith(name) and len(argument) > len(name) and at > 0:
            return argument[len(name) :]
    return ""


def _build(pid: int) -> tuple[tuple[int, ...], str, str]:
    """(version, compiled-in configuration path, prefix) as the binary says itself."""
    answer = processes.run_as_owner(pid, ["-V"])
    shown = answer.stderr if answer else ""
    version = re.search(r"nginx/([\d.]+)", shown)
    path = re.search(r"--conf-path=(\S+)", shown)
    prefix = re.search(r"--prefix=(\S+)", shown)
    return (
        tuple(int(part) for part in version[1].split(".")) if version else (),
        path[1] if path else "/etc/nginx/nginx.conf",
        prefix[1] if prefix else "/etc/nginx",
    )


def load(file: Path, root: Path = Path("/")) -> tuple[Directive, ...]:
    """The file as a tree, includes in place. Raises OSError when it cannot be read."""
    text = (root / file.relative_to("/")).read_text(errors="replace")
    return tuple(_block(_tokens(text), file.parent, root))


def _tokens(text: str) -> Iterator[tuple[str, bool]]:
    """(word, whether it is punctuation)."""
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            at += 1
            continue
        at = found.end()
        double, single, mark, word = found.groups()
        if mark:
            yield mark, True
        else:
            for value in (double, single, word):
                if value is not None:
                    yield value, False


def _block(tokens: Iterator[tuple[str, bool]], folder: Path, root: Path) -> Iterator[Directive]:
    words: list[str] = []
    for text, mark in tokens:
        if not mark:
            words.append(text)
        elif text == "}":
            return
        elif text == "{":
            block = tuple(_block(tokens, folder, root))
            yield Directive(words[0] if words else "", tuple(words[1:]), block)
            words = []
        elif words:
            if words[0] == "include" and len(words) > 1:
                yield from _included(folder / words[1], folder, root)
            else:
                yield Directive(words[0], tuple(words[1:]), ())
            words = []


def _included(pattern: Path, folder: Path, root: Path) -> Iterator[Directive]:
    for file in sorted(root.glob(str(pattern.relative_to("/")))):
        text = processes.read(file)
        if text is not None:
            yield from _block(_tokens(text), folder, root)


def find_route(tree: tuple[Directive, ...], port: int, host: str, path: str, version: tuple[int, ...]) -> Route | None:
    """Pick server and location as nginx does, then resolve its `proxy_pass`."""
    http = _named(tree, "http")
    block = tuple(directive for each in http for directive in each.block)
    servers = [server for server in _named(block, "server") if port in _listened_ports(server)]
    server = _matching_server(servers, host)
    if server is None:
        return _stream_route(tree, port)
    scopes = [block, server.block]
    scope = server.block
    while location := _location(scope, path):
        scope = location.block
        scopes.append(scope)
    passed = _value(scopes[-1:], "proxy_pass") or _value(scopes, "proxy_pass")
    return _route(scopes, block, passed, version) if passed else None


def _stream_route(tree: tuple[Directive, ...], port: int) -> Route | None:
    block = tuple(directive for each in _named(tree, "stream") for directive in each.block)
    for server in _named(block, "server"):
        passed = _value([server.block], "proxy_pass")
        if passed and port in _listened_ports(server):
            scopes = [block, server.block]
            # A stream relay's timeout is ten minutes of silence, not a wait for one answer.
            return _route([*scopes, (Directive("proxy_read_timeout", ("600",), ()),)], block, passed, ())
    return None


def _route(
    scopes: list[tuple[Directive, ...]], block: tuple[Directive, ...], passed: str, version: tuple[int, ...]
) -> Route | None:
    target = re.sub(r"\$\{?(\w+)\}?", lambda found: _variable(scopes, found[1]), passed)
    found = re.match(r"(?:(https?)://)?(unix:[^:]+|[^/]+)", target)
    if found is None or "$" in target:
        return None
    name = found[2]
    group = next((each for each in _named(block, "upstream") if each.arguments[:1] == (name,)), None)
    if group:
        addresses = tuple(server.arguments[0] for server in _named(group.block, "server") if server.arguments)
    else:
        addresses = (name,)
    port = "443" if found[1] == "https" else "80"
    return Route(
        tuple(
            each if each.startswith("unix:") or re.search(r":\d+$", each) else f"{each}:{port}" for each in addresses
        ),
        seconds(_value(scopes, "proxy_read_timeout"), DEFAULT_TIMEOUT_S),
        seconds(_value(scopes, "proxy_connect_timeout"), DEFAULT_TIMEOUT_S),
        _keeps_alive(scopes, group, version),
    )


def _keeps_alive(scopes: list[tuple[Directive, ...]], group: Directive | None, version: tuple[int, ...]) -> bool:
    by_default = version >= _KEEPALIVE_BY_DEFAULT
    http_version = _value(scopes, "proxy_http_version") or ("1.1" if by_default else "1.0")
    pooled = _value([group.block], "keepalive") if group else ""
    connection = [
        each.arguments[1].lower() if len(each.arguments) > 1 else ""
        for scope in scopes
        for each in _named(scope, "proxy_set_header")
        if each.arguments and each.arguments[0].lower() == "connection"
    ]
    cleared = connection[-1] != "close" if connection else by_default
    return http_version != "1.0" and cleared and (pooled != "0" if by_default else pooled not in {"", "0"})


def seconds(text: str, default: float) -> float:
    """nginx's time notation: `500ms`, `1m30s`, `60`."""
    parts = re.findall(r"(\d+)(ms|[smhd]?)", text)
    return sum(int(number) * _UNIT_S[unit] for number, unit in parts) if parts else default


def _named(block: tuple[Directive, ...], name: str) -> list[Directive]:
    return [directive for directive in block if directive.name == name]


def _value(scopes: list[tuple[Directive, ...]], name: str) -> str:
    """First argument of a directive in the innermost scope that has it."""
    for scope in reversed(scopes):
        for directive in _named(scope, name):
            if directive.arguments:
                return directive.arguments[0]
    return ""


def _variable(scopes: list[tuple[Directive, ...]], name: str) -> str:
    for scope in reversed(scopes):
        for directive in _named(scope, "set"):
            if len(directive.arguments) == 2 and directive.arguments[0] == f"${name}":
                return directive.arguments[1]
    return "" if name in {"request_uri", "uri", "is_args", "args"} else f"${name}"


def _listened_ports(server: Directive) -> set[int]:
    listens = _named(server.block, "listen")
    ports = set()
    for listen in listens:
        found = re.search(r"(?:^|:)(\d+)$", listen.arguments[0]) if listen.arguments else None
        ports.add(int(found[1]) if found else 80)
    return ports or {80}


def _matching_server(servers: list[Directive], host: str) -> Directive | None:
    for server in servers:
        if any(_name_matches(name, host) for each in _named(server.block, "server_name") for name in each.arguments):
            return server
    defaults = [s for s in servers if any("default_server" in each.arguments for each in _named(s.block, "listen"))]
    return next(iter(defaults or servers), None)


def _name_matches(name: str, host: str) -> bool:
    if name.startswith("~"):
        return bool(_search(name[1:], host))
    if name.startswith(("*.", ".")):
        return host.endswith(name.lstrip("*")) or host == name.lstrip("*.")
    return name == host


def _search(pattern: str, text: str, flags: int = 0) -> bool:
    try:
        return bool(re.search(pattern, text, flags))
    except re.error:
        return False  # a PCRE construct that Python lacks


def _location(scope: tuple[Directive, ...], path: str) -> Directive | None:
    """Exact, then longest prefix unless a regular expression matches first: nginx's order."""
    locations = [each for each in _named(scope, "location") if each.arguments]
    longest: Directive | None = None
    for each in locations:
        modifier, pattern = each.arguments[0] if len(each.arguments) > 1 else "", each.arguments[-1]
        if modifier == "=" and pattern == path:
            return each
        if (
            modifier in {"", "^~"}
            and path.startswith(pattern)
            and (longest is None or len(pattern) > len(longest.arguments[-1]))
        ):
            longest = each
    if longest and longest.arguments[0] == "^~":
        return longest
    for each in locations:
        if each.arguments[0] in {"~", "~*"} and len(each.arguments) > 1:
            flags = re.IGNORECASE if each.arguments[0] == "~*" else 0
            if _search(each.arguments[1], path, flags):
                return each
    return longest
