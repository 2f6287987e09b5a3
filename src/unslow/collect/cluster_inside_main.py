"""Runs inside the target's container: imports the collectors from memory and looks at this machine as they always do.

Gets `SOURCES` (module name -> text), `FILES` (name -> path in memory) and `REQUEST` from the boot text.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

SOURCES: dict[str, str] = globals().get("SOURCES", {})
FILES: dict[str, str] = globals().get("FILES", {})
REQUEST: dict[str, Any] = globals().get("REQUEST", {})
MARK = "\x1e"
ABSENT = "def __getattr__(name): return type(name, (), {'__init__': lambda self, *a, **k: None})"
"""A source that is not read from inside: whatever is imported from it is a class without any content."""


class FromMemory(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Modules whose text came with the program."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname not in SOURCES:
            return None
        package = any(name.startswith(f"{fullname}.") for name in SOURCES)
        spec = importlib.machinery.ModuleSpec(fullname, self, origin=f"<{fullname}>", is_package=package)
        spec.has_location = False
        return spec

    def is_package(self, fullname: str) -> bool:
        return any(name.startswith(f"{fullname}.") for name in SOURCES)

    def get_source(self, fullname: str) -> str:
        return SOURCES[fullname] or ABSENT


def _prepare() -> None:
    sys.meta_path.insert(0, FromMemory())
    try:
        import msgspec  # noqa: F401 - the application's own
    except ImportError:
        from unslow.collect import cluster_inside_records

        cluster_inside_records.install()
    _use_files()


def _use_files() -> None:
    """The sampler and its launcher are files that exist in memory only."""
    from unslow.collect import sampler, sampler_launch
    from unslow.errors import Unavailable

    sampler_launch.__file__ = FILES.get("launcher", "")
    program = FILES.get("py-spy", "")

    def find_py_spy() -> Path:
        if not program or not sampler_launch.__file__:
            raise Unavailable("py-spy for this container's processor", "use a debug container that has it")
        return Path(program)

    sampler.find_py_spy = find_py_spy


def _progress() -> Any:
    """Each new text is a line of standard error that begins with a mark, for whoever follows from outside."""
    last = [""]

    def show(text: str) -> None:
        if text != last[0]:
            last[0] = text
            os.write(2, f"{MARK}{text}\n".encode())

    return show


def main() -> None:
    _prepare()
    import msgspec

    from unslow.collect import local
    from unslow.collect.cluster_inside_names import Names
    from unslow.errors import UnslowError
    from unslow.evidence.cluster import Cluster
    from unslow.settings import Looking

    names = Names(REQUEST.pop("names", ()))
    names.start()
    try:
        evidence = local.collect(Looking(**REQUEST), _progress())
    except UnslowError as error:
        answer = json.dumps({"error": error.message, "remedy": error.remedy}).encode()
    else:
        answer = msgspec.json.encode(msgspec.structs.replace(evidence, cluster=Cluster(dns=names.result())))
    while answer:
        answer = answer[os.write(1, answer) :]


if __name__ == "unslow_inside":
    main()
