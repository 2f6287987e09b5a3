"""Statements that try to have an effect when they are merely explained, and the traps that they step into."""

from __future__ import annotations

from collections.abc import Iterator

TRAPS = """
CREATE TABLE witness (id int PRIMARY KEY, note text);
INSERT INTO witness SELECT i, 'row ' || i FROM generate_series(1, 100) i;
CREATE SEQUENCE counter;
CREATE TABLE parcel (id int PRIMARY KEY, owner int, email varchar(80), sent timestamptz);
INSERT INTO parcel SELECT i, i % 500, 'user' || i, now() FROM generate_series(1, 20000) i;
CREATE FUNCTION evil_i(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
  $$ BEGIN RAISE LOG 'EVIL immutable'; PERFORM pg_advisory_lock(4711); RETURN $1; END $$;
CREATE FUNCTION evil_s() RETURNS int LANGUAGE plpgsql STABLE AS
  $$ BEGIN RAISE LOG 'EVIL stable'; PERFORM pg_sleep(0.3); RETURN 1; END $$;
CREATE FUNCTION evil_v() RETURNS int LANGUAGE plpgsql VOLATILE AS
  $$ BEGIN RAISE LOG 'EVIL volatile'; DELETE FROM witness; RETURN 1; END $$;
CREATE FUNCTION evil_sql(int) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT evil_i($1) > 0';
CREATE FUNCTION lower(varchar) RETURNS text LANGUAGE plpgsql IMMUTABLE AS
  $$ BEGIN RAISE LOG 'EVIL lower'; RETURN $1; END $$;
CREATE FUNCTION evil_eq(varchar, varchar) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS
  $$ BEGIN RAISE LOG 'EVIL operator'; RETURN true; END $$;
CREATE OPERATOR = (LEFTARG = varchar, RIGHTARG = varchar, FUNCTION = evil_eq);
CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE FUNCTION evil_cast(mood) RETURNS text LANGUAGE plpgsql IMMUTABLE AS
  $$ BEGIN RAISE LOG 'EVIL cast'; RETURN 'x'; END $$;
CREATE CAST (mood AS text) WITH FUNCTION evil_cast(mood) AS IMPLICIT;
CREATE TABLE of_mood (id int, mood mood);
CREATE VIEW in_view AS SELECT id FROM parcel WHERE evil_i(1) = 1;
CREATE TABLE in_policy (id int);
ALTER TABLE in_policy ENABLE ROW LEVEL SECURITY;
ALTER TABLE in_policy FORCE ROW LEVEL SECURITY;
CREATE POLICY trap ON in_policy USING (evil_i(2) = 2);
CREATE TABLE in_index (id int);
CREATE INDEX ON in_index ((evil_i(3)));
CREATE TABLE in_predicate (id int);
CREATE INDEX ON in_predicate (id) WHERE evil_i(4) = 4;
CREATE TABLE in_check (id int, CHECK (evil_i(5) = 5));
CREATE TABLE in_child_parent (id int);
CREATE TABLE in_child () INHERITS (in_child_parent);
CREATE INDEX ON in_child ((evil_i(6)));
CREATE DOMAIN picky AS text CHECK (evil_sql(length(VALUE)));
CREATE FUNCTION evil_row(parcel) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
  $$ BEGIN RAISE LOG 'EVIL row'; RETURN 1; END $$;
CREATE FUNCTION evil_diff(int, int) RETURNS float8 LANGUAGE plpgsql IMMUTABLE AS
  $$ BEGIN RAISE LOG 'EVIL range'; RETURN 1; END $$;
CREATE TYPE odd_range AS RANGE (subtype = int, subtype_diff = evil_diff);
CREATE TABLE of_range (id int, span odd_range);
ANALYZE parcel;
"""
IN_PLACE = (
    "evil_i(1)",
    "public.evil_i(1)",
    "evil_s()",
    "evil_v()",
    "evil_sql(1)",
    "public.lower('x'::varchar)",
    "nextval('counter')",
    "setval('counter', 99)",
    "pg_notify('hostile', 'x')",
    "pg_advisory_lock(1)",
    "pg_advisory_xact_lock(1)",
    "pg_try_advisory_lock(1)",
    "pg_cancel_backend(pg_backend_pid())",
    "pg_terminate_backend(pg_backend_pid())",
    "pg_sleep(0.3)",
    "txid_current()",
    "pg_current_xact_id()",
    "lo_create(0)",
    "lo_from_bytea(0, 'x')",
    "pg_read_file('/etc/passwd')",
    "pg_ls_dir('/')",
    "pg_reload_conf()",
    "pg_switch_wal()",
    "pg_create_restore_point('x')",
    "pg_logical_emit_message(false, 'a', 'b')",
    "set_config('work_mem', '1GB', false)",
    "query_to_xml('DELETE FROM witness', true, true, '')",
    "table_to_xml('witness', true, true, '')",
    "repeat('x', 100000000)",
    "'counter'::regclass",
    "'abc'::picky",
    "evil_i(1) OPERATOR(pg_catalog.+) 1",
    "'a' OPERATOR(public.=) 'b'",
    "(SELECT evil_i(1))",
)
AROUND = (
    "SELECT {}",
    "SELECT * FROM parcel WHERE owner = {}",
    "SELECT id FROM parcel ORDER BY {} LIMIT 1",
    "SELECT * FROM parcel WHERE id IN (SELECT {})",
    "WITH x AS (SELECT {} AS y) SELECT * FROM x",
    "SELECT CASE WHEN {} IS NULL THEN 1 ELSE 2 END FROM parcel",
    "SELECT count(*) FROM parcel GROUP BY {}",
    "SELECT * FROM parcel a JOIN parcel b ON a.id = b.owner AND {} IS NOT NULL",
    "SELECT 1 FROM parcel HAVING count(*) > 1 AND {} IS NULL",
    "select /* */ coalesce({}, NULL) from parcel",
)
WHOLE = (
    "SELECT * FROM in_view",
    "SELECT * FROM in_policy",
    "SELECT * FROM in_index",
    "SELECT * FROM in_predicate WHERE id = 1",
    "SELECT * FROM in_check WHERE id = 1",
    "SELECT * FROM in_child_parent",
    "SELECT * FROM of_mood WHERE mood LIKE 'x'",
    "SELECT CASE WHEN true THEN 'bad'::mood ELSE mood END LIKE 'x' FROM of_mood",
    "SELECT * FROM of_range WHERE span @> 5",
    "SELECT parcel.evil_row FROM parcel",
    "SELECT * FROM in_virtual",
    "SELECT * INTO stolen FROM witness",
    "SELECT 1; DELETE FROM witness",
    "SELECT 1; COMMIT; DELETE FROM witness",
    "SELECT 1); DELETE FROM witness; --",
    "SELECT 1 /* ; */; DROP TABLE witness",
    "WITH gone AS (DELETE FROM witness RETURNING *) SELECT * FROM gone",
    "WITH more AS (INSERT INTO witness VALUES (999) RETURNING *) SELECT * FROM more",
    "WITH new AS (UPDATE witness SET note = 'x' RETURNING *) SELECT count(*) FROM new",
    "SELECT * FROM generate_series(1, 100000000)",
    "SELECT * FROM evil_s()",
    "SELECT * FROM ROWS FROM (evil_s(), nextval('counter'))",
    "SELECT * FROM parcel TABLESAMPLE system (evil_i(1))",
    "SELECT (evil_row(parcel)) FROM parcel",
    "SELECT (parcel).evil_row FROM parcel",
    "SELECT * FROM parcel WHERE email::mood = 'good'",
    "SELECT xmlelement(name a, evil_i(1))",
    "SELECT * FROM XMLTABLE('/a' PASSING '<a/>' COLUMNS b text)",
    "SELECT * FROM pg_shadow",
    "SELECT * FROM pg_catalog.pg_authid",
    "SELECT * FROM information_schema.tables",
    "SELECT evil_i(1) UNION ALL SELECT 1",
    "SELECT sum(id) FILTER (WHERE evil_i(1) = 1) FROM parcel",
    "SELECT sum(id) OVER (ORDER BY evil_i(1)) FROM parcel",
    "SELECT id FROM parcel ORDER BY id USING OPERATOR(public.=)",
    "SELECT ARRAY[evil_i(1), 2]",
    "SELECT ROW(evil_i(1), 2)",
    "SELECT GREATEST(evil_i(1), 2)",
    "SELECT id FROM parcel LIMIT evil_i(1) OFFSET evil_s()",
    "TABLE in_view",
    "VALUES (evil_i(1))",
    "DELETE FROM witness",
    "UPDATE witness SET note = 'x'",
    "INSERT INTO witness VALUES (1000, 'x')",
    "TRUNCATE witness",
    "DROP TABLE witness",
    "CREATE TABLE stolen AS SELECT * FROM witness",
    "COPY (SELECT 1) TO PROGRAM 'touch {folder}/made'",
    "COPY witness TO '{folder}/copied'",
    "DO $$ BEGIN DELETE FROM witness; END $$",
    "EXPLAIN ANALYZE DELETE FROM witness",
    "EXPLAIN (ANALYZE) SELECT evil_v()",
    "PREPARE p AS DELETE FROM witness",
    "EXECUTE p",
    "SET default_transaction_read_only = off",
    "SET ROLE postgres",
    "LOCK TABLE witness",
    "NOTIFY hostile, 'x'",
    "LISTEN hostile",
    "COMMIT",
    "DECLARE c CURSOR WITH HOLD FOR SELECT evil_v()",
    "VACUUM witness",
    "ALTER SYSTEM SET work_mem = '1GB'",
    "CALL evil()",
    "MERGE INTO witness USING parcel ON false WHEN NOT MATCHED THEN INSERT VALUES (5000, 'x')",
)


def statements(folder: str) -> Iterator[str]:
    """Every effect in every place, then the statements that are hostile as a whole."""
    for around in AROUND:
        for effect in IN_PLACE:
            yield around.format(effect)
    for whole in WHOLE:
        yield whole.replace("{folder}", folder)
