"""What a line of the application's source calls: C functions leave no frame, but the line names them.

Files are read and parsed, never imported or executed. A file changed since the worker started is not
trusted, because its line numbers may have moved.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from unslow.collect import processes
from unslow.evidence.profile import Frame
from unslow.measure.libraries import INSTALLED
from unslow.measure.views import Role

LARGEST_FILE_BYTES = 4 << 20
CURSOR_METHODS = frozenset(
    [
        "execute",
        "executemany",
        "executescript",
        "callproc",
        "fetchone",
        "fetchmany",
        "fetchall",
        "commit",
        "rollback",
    ]
)
"""Names that only DB-API connections and cursors use; their drivers are often C."""
RETURNS = {
    "re.compile": "re.Pattern",
    "sqlite3.connect": "sqlite3.Connection",
    "psycopg2.connect": "psycopg2.connection",
    "psycopg.connect": "psycopg.Connection",
    "socket.create_connection": "socket.socket",
}
"""What well-known factories return."""
CHEAP = frozenset(
    [
        "time.time",
        "time.monotonic",
        "time.perf_counter",
        "time.thread_time",
        "time.process_time",
        "random.random",
        "random.randint",
        "random.choice",
        "random.uniform",
        "os.environ.get",
        "os.getenv",
    ]
)
"""Calls that never explain a hot line."""
FIRST = ("time.sleep", "threading.", "queue.", "socket.", "fcntl.", "cursor.", "sqlite3.", "psycopg")
"""On a line with several calls, the one that waits is why a thread was found there."""

Scope = dict[str, str]
"""Local name to the dotted name of what it is: a module, a function, or the type of an object."""


class Sources:
    """Parsed source files of the workers `pids`; a file that cannot be read answers like an empty one."""

    def __init__(self, pids: Sequence[int], files: Iterable[str]) -> None:
        self._pids = pids
        matches = (INSTALLED.match(file) for file in files)
        self._site = {Path(match[0][: match.start(1)]) for match in matches if match}
        self._modules: dict[str, _Module | None] = {}

    def calls(self, frame: Frame) -> str:
        """Dotted name of the library function that the frame's line calls; empty when none or several."""
        module = self._module(frame.file)
        return module.calls(frame.line) if module else ""

    def role(self, frame: Frame) -> Role:
        """Whether the function is a view or a decorator's wrapper (see `views`)."""
        module = self._module(frame.file)
        return module.role(frame.line) if module else "unknown"

    def _module(self, file: str) -> _Module | None:
        if file not in self._modules:
            tree = self._parse(file)
            self._modules[file] = _Module(tree, self._site) if tree else None
        return self._modules[file]

    def _parse(self, file: str) -> ast.Module | None:
        path = self._locate(file)
        if path is None:
            return None
        try:
            return ast.parse(path.read_bytes())
        except (OSError, SyntaxError, ValueError, RecursionError):
            return None

    def _locate(self, file: str) -> Path | None:
        """The file as the worker sees it: in its own mount namespace, relative to its own directory."""
        for pid in self._pids:
            process = processes.PROC / str(pid)
            path = Path(f"{process}/root{file}") if file.startswith("/") else process / "cwd" / file
            try:
                found = path.stat()
            except OSError:
                continue
            began_s = processes.started_s(pid)
            if began_s and found.st_mtime < began_s and found.st_size <= LARGEST_FILE_BYTES:
                return path
        return None


class _Module:
    def __init__(self, tree: ast.Module, site: set[Path]) -> None:
        self._tree = tree
        self._site = site
        self._scope = _scope_of(tree.body, {})

    def calls(self, line: int) -> str:
        functions = _enclosing(self._tree, line)
        scope = {**self._scope, **_attributes(self._tree, line, self._scope)}
        for function in functions:
            scope = _scope_of(function.body, scope)
        names = {name for name in _names_called(self._tree, line, scope) if self._is_library(name)} - CHEAP
        waiting = {name for name in names if name.startswith(FIRST)}
        return _one_of(waiting or names)

    def role(self, line: int) -> Role:
        functions = _enclosing(self._tree, line)
        if not functions:
            return "unknown"
        innermost = functions[-1]
        starred = {argument.arg for argument in (innermost.args.vararg, innermost.args.kwarg) if argument}
        if len(functions) < 2 or not starred:
            return "view"
        return "forwards" if any(_passes_on(call, starred) for call in _calls_at(innermost, line)) else "works"

    def _is_library(self, name: str) -> bool:
        top = name.partition(".")[0]
        if not top:  # a relative import: the application's own
            return False
        if top in sys.stdlib_module_names or name.startswith("cursor."):
            return top != "builtins"
        return any(
            (site / top).is_dir() or (site / f"{top}.py").is_file() or next(site.glob(f"{top}.*.so"), None)
            for site in self._site
        )


def _one_of(names: set[str]) -> str:
    """The one call that the names amount to: steps of one chain, or uses of one module; empty when they differ."""
    if not names:
        return ""
    shortest = min(sorted(names), key=len)
    if all(name == shortest or name.startswith(f"{shortest}.") for name in names):
        return shortest
    uses_cursor = all(name.startswith("cursor.") for name in names)
    return shortest if uses_cursor else ""


_Function = ast.FunctionDef | ast.AsyncFunctionDef


def _enclosing(tree: ast.AST, line: int) -> list[_Function]:
    """Functions around a line, outermost first."""
    found = [
        node
        for node in ast.walk(tree)
        if isinstance(node, _Function) and node.lineno <= line <= (node.end_lineno or node.lineno)
    ]
    return sorted(found, key=lambda node: node.lineno)


def _scope_of(body: Sequence[ast.stmt], outer: Scope) -> Scope:
    """Names that the statements bind, as far as one assignment says; nested functions keep theirs."""
    scope = dict(outer)
    for node in _statements(body):
        if isinstance(node, ast.Import):
            for alias in node.names:
                scope[alias.asname or alias.name.partition(".")[0]] = (
                    alias.name if alias.asname else alias.name.partition(".")[0]
                )
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                scope[alias.asname or alias.name] = f"{'.' * node.level}{node.module or ''}.{alias.name}"
        elif isinstance(node, ast.Assign) and len(node.targets) == 1:
            _bind(node.targets[0], node.value, scope)
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            _bind(node.target, node.value, scope)
        elif isinstance(node, ast.With | ast.AsyncWith):
            for item in node.items:
                if item.optional_vars is not None:
                    _bind(item.optional_vars, item.context_expr, scope)
    return scope


def _statements(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    for node in body:
        yield node
        if isinstance(node, _Function | ast.ClassDef):
            continue
        for field in ("body", "orelse", "finalbody"):
            yield from _statements(getattr(node, field, []))
        for handler in getattr(node, "handlers", []):
            yield from _statements(handler.body)


def _bind(target: ast.expr, value: ast.expr, scope: Scope) -> None:
    name = _path(target)
    if not name:
        return
    known = _resolve(value, scope)
    if known:
        scope[name] = known
    else:
        scope.pop(name, None)


def _attributes(tree: ast.Module, line: int, scope: Scope) -> Scope:
    """What `self.x` is in the class around the line, from the assignments in its methods."""
    found: Scope = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and node.lineno <= line <= (node.end_lineno or node.lineno):
            for method in node.body:
                if isinstance(method, _Function):
                    bound = _scope_of(method.body, scope)
                    found.update({name: what for name, what in bound.items() if name.startswith("self.")})
    return found


def _path(node: ast.expr) -> str:
    """`a.b.c` for a chain of names; empty for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        base = _path(node.value)
        return f"{base}.{node.attr}" if base else ""
    return ""


def _resolve(node: ast.expr, scope: Scope) -> str:
    """Dotted name of what an expression is; empty when the source does not tell."""
    if isinstance(node, ast.Call):
        called = _resolve(node.func, scope)
        return RETURNS.get(called, called)
    name = _path(node)
    if name in scope:
        return scope[name]
    if isinstance(node, ast.Attribute):
        base = _resolve(node.value, scope)
        return f"{base}.{node.attr}" if base else ""
    return ""


def _calls_at(tree: ast.AST, line: int) -> list[ast.Call]:
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and node.lineno <= line <= (node.end_lineno or node.lineno)
    ]


def _names_called(tree: ast.AST, line: int, scope: Scope) -> Iterator[str]:
    for call in _calls_at(tree, line):
        name = _resolve(call.func, scope)
        if name:
            yield name
        elif isinstance(call.func, ast.Attribute) and call.func.attr in CURSOR_METHODS:
            yield f"cursor.{call.func.attr}"
        elif isinstance(call.func, ast.Attribute) and call.func.attr == "acquire":
            yield "threading.Lock.acquire"
    for node in ast.walk(tree):
        if isinstance(node, ast.With):
            for item in node.items:
                kind = _resolve(item.context_expr, scope)
                if item.context_expr.lineno == line and kind.startswith("threading."):
                    yield f"{kind}.acquire"


def _passes_on(call: ast.Call, starred: set[str]) -> bool:
    """Whether the call hands on the function's own `*args` or `**kwargs`."""
    positional = (argument.value for argument in call.args if isinstance(argument, ast.Starred))
    named = (keyword.value for keyword in call.keywords if keyword.arg is None)
    return any(isinstance(value, ast.Name) and value.id in starred for value in (*positional, *named))
