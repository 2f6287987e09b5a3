"""A session with one engine: named intermediate tables, and rows. DuckDB's is here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar

from unslow.errors import CannotLook
from unslow.spans.dialect import DUCKDB, Dialect
from unslow.spans.view import quoted

Row = tuple[Any, ...]

MEMORY = "1000MB"
"""DuckDB's own limit; what it cannot hold goes to its temporary folder."""


class Session(Protocol):
    """What the queries need of an engine. Tables are seen by this session only and end with it."""

    dialect: Dialect

    def create(self, name: str, select: str) -> None:
        """Make the table, or replace it, out of a query that may read the table itself."""

    def append(self, name: str, select: str) -> None:
        """Add the rows of a query to a table."""

    def remove(self, name: str, column: str, among: str) -> None:
        """Take the rows whose column is in the answer of a query out of a table; neither holds NULL."""

    def rows(self, select: str) -> list[Row]:
        """The answer; for small ones."""

    def close(self) -> None:
        """End the session and its tables."""


AnySession = TypeVar("AnySession", bound=Session)


class DuckSession:
    """DuckDB in this process. CannotLook when a query fails, e.g. on a damaged file."""

    dialect = DUCKDB

    def __init__(self, *, memory: str = MEMORY, threads: int | None = None, folder: str | None = None) -> None:
        import duckdb

        config: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": memory,
            "autoinstall_known_extensions": "false",
            "preserve_insertion_order": "false",
            "allocator_flush_threshold": "4GB",
            "allocator_bulk_deallocation_flush_threshold": "4GB",
        }
        if threads is not None:
            config["threads"] = str(threads)
        if folder is not None:
            config["temp_directory"] = folder
        self._error = duckdb.Error
        self._connection = duckdb.connect(config=config)
        self._connection.execute("SET enable_progress_bar = false")  # it would go to standard output

    def create(self, name: str, select: str) -> None:
        self._execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {select}")

    def append(self, name: str, select: str) -> None:
        self._execute(f"INSERT INTO {name} {select}")

    def remove(self, name: str, column: str, among: str) -> None:
        self._execute(f"DELETE FROM {name} WHERE {column} IN ({among})")

    def rows(self, select: str) -> list[Row]:
        return list(self._execute(select).fetchall())

    def arrays(self, select: str) -> dict[str, Any]:
        """The columns of the answer as NumPy arrays; no column may hold NULL."""
        return dict(self._execute(select).fetchnumpy())

    def take(self, name: str, columns: dict[str, Any]) -> None:
        """Make a table out of NumPy arrays of one length."""
        self._connection.register("unslow_columns", columns)
        try:
            self.create(name, "SELECT * FROM unslow_columns")
        finally:
            self._connection.unregister("unslow_columns")

    def copy(self, select: str, out: Path) -> None:
        """Write the rows of a query as Parquet."""
        self._execute(f"COPY ({select}) TO {quoted(str(out))} (FORMAT parquet, COMPRESSION zstd, PRESERVE_ORDER true)")

    def close(self) -> None:
        self._connection.close()

    def _execute(self, statement: str) -> Any:
        try:
            return self._connection.execute(statement)
        except self._error as error:
            raise CannotLook(f"DuckDB cannot answer: {_first_line(error)}", "check the file or the columns") from error


@contextmanager
def closing(session: AnySession) -> Iterator[AnySession]:
    try:
        yield session
    finally:
        session.close()


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
