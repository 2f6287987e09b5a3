"""Connection settings that the files of an application's folder state as literals; nothing is executed."""

from __future__ import annotations

import ast
import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

MAX_FILES = 40
MAX_BYTES = 256_000
_NAMES = frozenset(
    (
        "config",
        "settings",
        "database",
        "db",
        "extensions",
        "models",
        "app",
        "wsgi",
        "main",
        "cache",
        "__init__",
    )
)
"""Modules one folder down that are read; at the top every module is."""
_TEXTS = (".env", ".flaskenv")
_SUFFIXES = frozenset((".toml", ".yaml", ".yml", ".json", ".ini", ".cfg", ".env"))
_URL = re.compile(r"""(?:postgres(?:ql)?(?:\+\w+)?|rediss?|valkeys?)://[^\s'"<>,]+""")
_PAIR = re.compile(r"""^\s*(?:export\s+)?["']?([A-Za-z_]\w*)["']?\s*[:=]\s*["']?([^"'\n#]*?)["']?\s*$""", re.MULTILINE)
_CONNECTS = {"connect": "postgresql", "Connection": "postgresql", "ConnectionPool": "postgresql"}
_OTHERS = frozenset(("pymysql", "MySQLdb", "mysql", "connector", "sqlite3", "aiomysql", "cx_Oracle", "oracledb"))
_REDIS = frozenset(("Redis", "StrictRedis", "Valkey", "from_url"))
_WORDS = {"database": "dbname", "username": "user", "db": "dbname", "unix_socket_path": "host"}


@dataclass(frozen=True, slots=True)
class Setting:
    """Names and values of one file, or the literal arguments of one connecting call in it."""

    source: str
    values: tuple[tuple[str, str], ...] = field(repr=False)
    call: str = ""
    """postgresql or redis when the values are arguments of a call: host, port, user, password, dbname."""


def settings_in(folder: Path) -> Iterator[Setting]:
    """What the files of `folder` and telling modules one level down say; bounded in number and size."""
    for path in _files(folder)[:MAX_FILES]:
        try:
            if path.stat().st_size > MAX_BYTES:
                continue
            text = path.read_text(errors="replace")
        except OSError:
            continue  # vanished, or not ours to read
        source = f"file {path.name}"
        yield from _of_python(text, source) if path.suffix == ".py" else _of_text(text, path.suffix, source)


def _files(folder: Path) -> list[Path]:
    try:
        here = sorted(folder.iterdir())
        below = [path for sub in here if sub.is_dir() and not sub.is_symlink() for path in _modules(sub)]
    except OSError:
        return []
    texts = [path for path in here if path.name in _TEXTS or path.suffix in _SUFFIXES]
    modules = [path for path in here if path.suffix == ".py"]
    named = [path for path in modules if path.stem in _NAMES]
    rest = [path for path in modules if path.stem not in _NAMES]
    return [path for path in (*texts, *named, *below, *rest) if path.is_file()]


def _modules(folder: Path) -> list[Path]:
    if folder.name.startswith((".", "__")) or folder.name in {
        "node_modules",
        "venv",
        "tests",
        "site-packages",
    }:
        return []
    try:
        return [path for path in sorted(folder.iterdir()) if path.suffix == ".py" and path.stem in _NAMES]
    except OSError:
        return []


def _of_text(text: str, suffix: str, source: str) -> Iterator[Setting]:
    pairs = [(name.upper(), value.strip()) for name, value in _PAIR.findall(text)]
    if suffix in {".toml", ".json"}:
        try:
            pairs = list(_flat(json.loads(text) if suffix == ".json" else tomllib.loads(text)))
        except ValueError:
            pairs = []  # broken file: its URLs are still found below
    urls = [(f"URL_{number}", url) for number, url in enumerate(_URL.findall(text))]
    if pairs or urls:
        yield Setting(source, tuple(dict((*urls, *pairs)).items()))


def _flat(value: object, name: str = "") -> Iterator[tuple[str, str]]:
    """Nested tables as upper-case names joined by underscores: [redis] host -> REDIS_HOST."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(inner, f"{name}_{key}" if name else str(key))
    elif isinstance(value, str | int) and name:
        yield name.upper(), str(value)


def _of_python(text: str, source: str) -> Iterator[Setting]:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return
    values: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and _URL.fullmatch(node.value):
            values[f"LITERAL_{node.lineno}"] = node.value
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and re.match(r"\s*(host|dbname)=", node.value)
        ):
            values[f"LITERAL_{node.lineno}"] = node.value
        if isinstance(node, ast.Assign | ast.AnnAssign):
            values |= _assigned(node)
        if isinstance(node, ast.Call) and (call := _call(node, source)):
            yield call
    if values:
        yield Setting(source, tuple(values.items()))


def _assigned(node: ast.Assign | ast.AnnAssign) -> dict[str, str]:
    """NAME = "literal" or 5432, also NAME = os.environ.get("NAME", "literal")."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    value = node.value
    if isinstance(value, ast.Call) and len(value.args) == 2 and not value.keywords:
        value = value.args[1]
    if not isinstance(value, ast.Constant) or not isinstance(value.value, str | int) or isinstance(value.value, bool):
        return {}
    return {target.id.upper(): str(value.value) for target in targets if isinstance(target, ast.Name)}


def _call(node: ast.Call, source: str) -> Setting | None:
    """psycopg2.connect(host="...", dbname="...") or redis.Redis(host="...", port=...), as far as literal."""
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    owner = getattr(node.func.value, "id", "") if isinstance(node.func, ast.Attribute) else ""
    kind = "redis" if name in _REDIS else _CONNECTS.get(name, "")
    literal = {
        _WORDS.get(keyword.arg, keyword.arg): str(keyword.value.value)
        for keyword in node.keywords
        if keyword.arg and isinstance(keyword.value, ast.Constant) and isinstance(keyword.value.value, str | int)
    }
    told = literal.keys() & {"host", "port", "dbname", "user"}
    if not kind or not told or owner in _OTHERS:
        return None
    return Setting(f"{source}, line {node.lineno}", tuple(literal.items()), kind)
