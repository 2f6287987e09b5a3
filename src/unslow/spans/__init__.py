"""The span engine: one canonical view of spans, and the same queries on DuckDB, ClickHouse and Spark."""
