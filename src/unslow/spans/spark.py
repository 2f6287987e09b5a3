"""The engine on Spark: a cluster reads Parquet from a path that all its machines see."""

from __future__ import annotations

import urllib.parse
from typing import Any

import msgspec

from unslow.errors import BadUsage, CannotLook
from unslow.spans.dialect import SPARK
from unslow.spans.session import Row

_FORM = "write it as spark://HOST:7077/PATH/ON/ALL/MACHINES/spans.parquet"


class Address(msgspec.Struct, frozen=True):
    master: str
    path: str

    @classmethod
    def of(cls, url: str) -> Address:
        """BadUsage when it is no `spark://HOST:PORT/PATH`."""
        parts = urllib.parse.urlsplit(url)
        if parts.scheme != "spark" or not parts.hostname or parts.path in {"", "/"}:
            raise BadUsage(f"{url!r} names no cluster with a path", _FORM)
        return cls(f"spark://{parts.netloc}", urllib.parse.unquote(parts.path))


class SparkSession:
    """Each table is materialised on the executors when it is made."""

    dialect = SPARK

    def __init__(self, master: str, path: str, **settings: str) -> None:
        """CannotLook when the cluster or the path is not there."""
        try:
            from pyspark.errors import PySparkException
            from pyspark.sql import SparkSession as Builder
        except ImportError as error:
            raise CannotLook("pyspark is not installed here", "pip install pyspark") from error
        builder = Builder.builder.master(master).appName("unslow spans")
        for key, value in {**_SETTINGS, **settings}.items():
            builder = builder.config(key, value)
        self._error: Any = PySparkException
        try:
            self._spark: Any = builder.getOrCreate()
            self._spark.read.parquet(path).createOrReplaceTempView(SOURCE)
        except Exception as error:
            raise CannotLook(
                f"Spark cannot read {path}: {_first_line(error)}", "check the cluster and the path"
            ) from error

    def create(self, name: str, select: str) -> None:
        self._frame(select).localCheckpoint().createOrReplaceTempView(name)

    def append(self, name: str, select: str) -> None:
        self.create(name, f"SELECT * FROM {name} UNION ALL {select}")

    def remove(self, name: str, column: str, among: str) -> None:
        self.create(name, f"SELECT * FROM {name} WHERE {column} NOT IN ({among})")

    def rows(self, select: str) -> list[Row]:
        return [tuple(row) for row in self._frame(select).collect()]

    def close(self) -> None:
        self._spark.stop()

    def _frame(self, select: str) -> Any:
        try:
            return self._spark.sql(select)
        except self._error as error:
            raise CannotLook(
                f"Spark cannot answer: {_first_line(error)}", "check the columns of the Parquet files"
            ) from error


SOURCE = "unslow_source"
_SETTINGS = {
    "spark.ui.enabled": "false",
    # A table made of a checkpointed one fails to be planned with it ("key not found").
    "spark.sql.constraintPropagation.enabled": "false",
    "spark.sql.cteRecursionLevelLimit": "-1",
    "spark.sql.cteRecursionRowLimit": "-1",
    "spark.sql.session.timeZone": "UTC",
}


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:300]
