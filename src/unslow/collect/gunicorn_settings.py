"""Gunicorn's settings: command line, environment, and configuration file (parsed, never executed)."""

from __future__ import annotations

import ast
import operator
import re
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from unslow.collect import processes

DEFAULTS: Mapping[str, Any] = {
    "workers": 1,
    "threads": 1,
    "worker_class": "sync",
    "timeout": 30,
    "keepalive": 2,
    "backlog": 2048,
    "worker_connections": 1000,
}
"""As Gunicorn documents them."""
_OPTIONS = {
    "-w": "workers",
    "--workers": "workers",
    "--threads": "threads",
    "-k": "worker_class",
    "--worker-class": "worker_class",
    "-t": "timeout",
    "--timeout": "timeout",
    "--keep-alive": "keepalive",
    "--backlog": "backlog",
    "--worker-connections": "worker_connections",
    "-c": "config",
    "--config": "config",
    "--chdir": "chdir",
}
_OPERATORS: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
}
_CALLS: Mapping[str, Callable[..., Any]] = {"int": int, "float": float, "str": str, "min": min, "max": max}
_MAX_BYTES = 1 << 20


class _TooCleverError(Exception):
    """An expression beyond literals and simple arithmetic."""


def settings(command: tuple[str, ...], folder: str, environ: Callable[[str], str | None], cores: int) -> dict[str, Any]:
    """The settings of `DEFAULTS` as Gunicorn would resolve them, plus `config` when a file was read.

    `environ` looks one variable up in the environment of the master.
    """
    line = options(command)
    variable = options(("", *_split(environ("GUNICORN_CMD_ARGS") or "")))
    base = Path(folder or "/")
    file = base / (line.get("config") or variable.get("config") or "gunicorn.conf.py").removeprefix("file:")
    text = processes.read(file) if file.is_file() and file.stat().st_size <= _MAX_BYTES else None
    configured = literals(text, environ, cores) if text else {}
    concurrency = environ("WEB_CONCURRENCY")
    merged = dict(DEFAULTS)
    if concurrency and concurrency.isdigit():
        merged["workers"] = int(concurrency)
    for source in (configured, _typed(variable), _typed(line)):
        merged.update({name: source[name] for name in DEFAULTS if name in source})
    if text:
        merged["config"] = str(file)
    if merged["worker_class"] == "sync" and merged["threads"] > 1:
        merged["worker_class"] = "gthread"  # as Gunicorn does itself
    return merged


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()


def options(arguments: tuple[str, ...]) -> dict[str, str]:
    """Option name to text, for `--name value`, `--name=value` and `-nvalue`."""
    found = {}
    for at, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if equals and name in _OPTIONS:
            found[_OPTIONS[name]] = value
        elif argument in _OPTIONS and at + 1 < len(arguments):
            found[_OPTIONS[argument]] = arguments[at + 1]
        elif re.match(r"-[wktc][^-]", argument) and argument[:2] in _OPTIONS:
            found[_OPTIONS[argument[:2]]] = argument[2:]
    return found


def _typed(texts: Mapping[str, str]) -> dict[str, Any]:
    typed: dict[str, Any] = {}
    for name, text in texts.items():
        if isinstance(DEFAULTS.get(name), str):
            typed[name] = text
        elif text.isdigit():
            typed[name] = int(text)
    return typed


def literals(text: str, environ: Callable[[str], str | None], cores: int) -> dict[str, Any]:
    """Top-level assignments whose value is a literal or simple arithmetic; the others are left out."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return {}
    names: dict[str, Any] = {}
    for statement in tree.body:
        if isinstance(statement, ast.Assign):
            targets, value = statement.targets, statement.value
        elif isinstance(statement, ast.AnnAssign) and statement.value:
            targets, value = [statement.target], statement.value
        else:
            continue
        for target in targets:
            if not isinstance(target, ast.Name):
                continue
            names.pop(target.id, None)
            try:
                names[target.id] = _value(value, names, environ, cores)
            except (_TooCleverError, TypeError, ValueError, ArithmeticError, RecursionError):
                continue
    return {name: value for name, value in names.items() if _fits(name, value)}


def _fits(name: str, value: object) -> bool:
    default = DEFAULTS.get(name)
    if isinstance(default, int):
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, str) if default is not None else True


def _value(node: ast.expr, names: Mapping[str, Any], environ: Callable[[str], str | None], cores: int) -> Any:
    def value(each: ast.expr) -> Any:
        return _value(each, names, environ, cores)

    match node:
        case ast.Constant():
            return node.value
        case ast.Name() if node.id in names:
            return names[node.id]
        case ast.BinOp() if type(node.op) in _OPERATORS:
            left, right = value(node.left), value(node.right)
            if not all(isinstance(each, (int, float)) for each in (left, right)):
                raise _TooCleverError  # text times a large number would fill the memory
            return _OPERATORS[type(node.op)](left, right)
        case ast.BoolOp(op=ast.Or()):
            found = None
            for each in node.values:
                found = value(each)
                if found:
                    break
            return found
        case ast.Subscript(value=ast.Attribute(attr="environ")):
            return environ(str(value(node.slice)))
        case ast.Call():
            return _call(node, value, environ, cores)
    raise _TooCleverError


def _call(node: ast.Call, value: Callable[[ast.expr], Any], environ: Callable[[str], str | None], cores: int) -> Any:
    """`cpu_count()`, a look-up in the environment, or a conversion."""
    arguments = [value(each) for each in node.args]
    function = node.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    if name == "cpu_count":
        return cores
    looked_up = name == "getenv" or (
        name == "get" and isinstance(function, ast.Attribute) and getattr(function.value, "attr", "") == "environ"
    )
    if looked_up and arguments:
        found = environ(str(arguments[0]))
        return found if found is not None else (arguments[1] if len(arguments) > 1 else None)
    if name in _CALLS and isinstance(function, ast.Name):
        return _CALLS[name](*arguments)
    raise _TooCleverError
