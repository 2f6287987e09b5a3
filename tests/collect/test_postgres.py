from __future__ import annotations

import threading
import time
from collections.abc import Callable

import psycopg
import pytest

from tests.collect.live import free_port
from tests.collect.postgres_server import Server, server
from unslow.collect.activity import Activity, Session, heads
from unslow.collect.dsn import Candidate, candidates
from unslow.collect.postgres import PostgresReader
from unslow.collect.postgres_counters import Counts, Reading, differences
from unslow.errors import Unavailable
from unslow.evidence.queries import Queries
from unslow.measure.repeated import repeated_statements

__all__ = ["server"]


def candidate(server: Server, user: str = "postgres", database: str = "shop", password: str = "") -> Candidate:
    dsn = server.dsn(user, database) + (f" password={password}" if password else "")
    return Candidate("postgresql", dsn, "given by the test", f"127.0.0.1:{server.port}")


def watched(server: Server, work: Callable[[], None], chosen: Candidate | None = None) -> Queries:
    """What the reader tells of `work`, with the sessions sampled meanwhile."""
    reader = PostgresReader([chosen or candidate(server)])
    reader.start()
    worker = threading.Thread(target=work)
    worker.start()
    while worker.is_alive():
        reader.sample()
        time.sleep(0.02)
    worker.join()
    return reader.stop()


@pytest.mark.lab
def test_statements_of_the_window_only(server: Server) -> None:
    with server.connect(application_name="shop") as application:
        application.execute("SELECT label FROM small WHERE id = 7")

        def work() -> None:
            for number in range(23):
                application.execute(f"SELECT label FROM small WHERE id = {number}".encode())
            application.execute("SELECT sum(weight) FROM parcel")

        queries = watched(server, work)
    assert queries.statements is not None
    counted = {one.text: one for one in queries.statements}
    look_up = counted["SELECT label FROM small WHERE id = $1"]
    assert (look_up.calls, look_up.rows) == (23, 22)
    assert look_up.lifetime_calls >= 1
    assert counted["SELECT sum(weight) FROM parcel"].calls == 1
    assert queries.statements[0].text == "SELECT sum(weight) FROM parcel"
    assert not [text for text in counted if "unslow" in text or "pg_stat" in text]
    assert [plan.scans for plan in queries.plans if "sum" in plan.text] == [("parcel",)]
    assert queries.max_connections == 30
    assert queries.connections == 1
    assert queries.version.startswith(str(server.version))
    assert queries.lifetime_s is not None
    assert dict(queries.settings)["shared_buffers"] == "32MB"
    assert queries.notes == ()


@pytest.mark.lab
def test_one_request_with_many_look_ups(server: Server) -> None:
    requests = 5
    with server.connect() as application:

        def work() -> None:
            for _ in range(requests):
                application.execute("SELECT id FROM parcel WHERE email = 'user5@example.com'")
                for number in range(17):
                    application.execute("SELECT label FROM small WHERE id = %s", (number,))

        queries = watched(server, work)
    ((statement, calls),) = repeated_statements(queries, requests / queries.seconds, many=10)
    assert statement.text == "SELECT label FROM small WHERE id = $1"
    assert calls == pytest.approx(17)


@pytest.mark.lab
def test_sessions_that_wait_for_a_lock(server: Server) -> None:
    def work() -> None:
        with server.connect(application_name="nightly") as holder, server.connect() as waiter:
            holder.execute("BEGIN")
            holder.execute("UPDATE small SET label = 'secret-label' WHERE id = 3")
            waiting = threading.Thread(target=waiter.execute, args=("UPDATE small SET label = 'mine' WHERE id = 3",))
            waiting.start()
            time.sleep(1.2)
            holder.execute("ROLLBACK")
            waiting.join()

    queries = watched(server, work)
    locked = [wait for wait in queries.waits if wait.wait_type == "Lock"]
    assert [(wait.state, wait.wait_event, wait.text) for wait in locked] == [
        ("active", "transactionid", "UPDATE small SET label = $1 WHERE id = $2")
    ]
    assert queries.statements is not None
    assert locked[0].query_id in {one.query_id for one in queries.statements}
    assert 0.4 < locked[0].mean <= 1.0
    [blocker] = queries.blockers
    assert (blocker.state, blocker.application, blocker.relation) == ("idle in transaction", "nightly", "small")
    assert blocker.text == "UPDATE small SET label = $1 WHERE id = $2"
    assert blocker.waiting_mean == pytest.approx(locked[0].mean)
    assert blocker.transaction_age_s > 0.5
    assert "secret-label" not in repr(queries)


@pytest.mark.lab
def test_an_idle_session_holds_an_advisory_lock(server: Server) -> None:
    def work() -> None:
        with server.connect(application_name="cron") as holder, server.connect() as waiter:
            holder.execute("SELECT pg_advisory_lock(99)")
            waiting = threading.Thread(target=waiter.execute, args=("SELECT pg_advisory_lock(99)",))
            waiting.start()
            time.sleep(0.6)
            holder.execute("SELECT pg_advisory_unlock(99)")
            waiting.join()

    queries = watched(server, work)
    assert [(blocker.state, blocker.application) for blocker in queries.blockers] == [("idle", "cron")]
    assert not [wait for wait in queries.waits if wait.state == "idle"]


@pytest.mark.lab
def test_new_connections_are_counted(server: Server) -> None:
    def work() -> None:
        for _ in range(12):
            server.connect().close()
        time.sleep(1.2)  # sessions report to the statistics within a second

    queries = watched(server, work)
    assert queries.connections_opened_per_s is not None
    assert round(queries.connections_opened_per_s * queries.seconds) == 12


@pytest.mark.lab
def test_a_user_without_the_right_to_see_others(server: Server) -> None:
    with server.connect() as other:

        def work() -> None:
            for _ in range(10):
                other.execute("SELECT count(*) FROM small")

        queries = watched(server, work, candidate(server, "reader", password="s3cret-reader"))
    assert queries.notes[0] == "statements of other users are hidden: GRANT pg_read_all_stats TO reader"
    assert "small" not in repr(queries.statements)


@pytest.mark.lab
def test_a_database_without_the_extension(server: Server) -> None:
    with server.connect("postgres") as application:
        queries = watched(
            server, lambda: application.execute("SELECT 1") and None, candidate(server, database="postgres")
        )
    assert queries.statements is None
    assert queries.lifetime_s is None
    assert "CREATE EXTENSION pg_stat_statements" in queries.notes[0]


@pytest.mark.lab
def test_our_session_cannot_write(server: Server) -> None:
    reader = PostgresReader([candidate(server)])
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        reader._connection.execute("DELETE FROM public.small")
    reader.close()
    reader.close()


@pytest.mark.lab
def test_a_lost_connection_is_reported_not_raised(server: Server) -> None:
    reader = PostgresReader([candidate(server)])
    reader.start()
    with server.connect() as admin:
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'unslow'")
    time.sleep(0.2)
    reader.sample()
    with pytest.raises(Unavailable, match="PostgreSQL's counters"):
        reader.stop()


@pytest.mark.lab
def test_no_login_names_the_sources_and_no_password(server: Server) -> None:
    wrong = candidate(server, "reader", password="not-the-one")
    nobody = Candidate("postgresql", f"host=127.0.0.1 port={free_port()}", "file .env", "127.0.0.1:1")
    with pytest.raises(Unavailable) as caught:
        PostgresReader([wrong, nobody])
    assert "given by the test: password authentication failed" in caught.value.missing
    assert "file .env: " in caught.value.missing
    assert "not-the-one" not in caught.value.missing + caught.value.remedy + repr(wrong)
    assert "--postgres" in caught.value.remedy


@pytest.mark.lab
@pytest.mark.parametrize("address", ["127.0.0.1:{port}", "{folder}/.s.PGSQL.{port}"])
def test_without_any_configuration_the_applications_database_is_found(server: Server, address: str) -> None:
    found = candidates((), [("postgresql", address.format(port=server.port, folder=server.folder))])
    with server.connect() as application:
        queries = watched(server, lambda: application.execute("SELECT count(*) FROM small") and None, found[-1])
    assert found[-1].source.endswith("as postgres")
    assert queries.statements is not None
    assert "SELECT count(*) FROM small" in [one.text for one in queries.statements]


def session(pid: int, *blockers: int, state: str = "active", query: str = "SELECT 1") -> Session:
    return Session(pid, True, "client backend", state, "Lock" if blockers else "", "", "", query, "", 1.0, blockers)


def test_the_head_of_a_queue_is_blamed() -> None:
    sessions = {one.pid: one for one in (session(1), session(2, 1), session(3, 2, 1))}
    assert heads(3, sessions) == {1}


def test_a_deadlock_has_no_head() -> None:
    sessions = {one.pid: one for one in (session(1, 2), session(2, 1))}
    assert heads(1, sessions) == frozenset()


def test_means_are_over_readings_with_nobody_busy_too() -> None:
    activity = Activity()
    holder = session(1, state="idle in transaction", query="UPDATE t SET a = 'x'")
    activity.add({1: holder, 2: session(2, 1, query="DELETE FROM t WHERE a = 'secret'")})
    activity.add({})
    by_state = {wait.state: wait for wait in activity.waits({})}
    assert by_state["active"].mean == 0.5
    assert by_state["active"].text == "DELETE FROM t WHERE a = $1"
    assert [(one.pid, one.waiting_mean, one.text) for one in activity.blockers()] == [(1, 0.5, "UPDATE t SET a = $1")]


def test_before_version_14_ids_come_from_the_text() -> None:
    activity = Activity()
    activity.add({1: session(1, query="SELECT 5")})
    assert activity.waits({"SELECT $1": "77"})[0].query_id == "77"


def reading(at_s: float, **statements: Counts) -> Reading:
    return Reading(at_s, statements, 100.0, 0.0, None)


def test_counters_that_were_reset_count_from_zero() -> None:
    before = reading(0.0, a=Counts(100.0, 5.0, 100.0, 0.0))
    after = reading(10.0, a=Counts(3.0, 0.5, 3.0, 7.0, "SELECT $1"))
    found = differences(before, after)
    assert found is not None
    assert (found[0].calls, found[0].exec_s, found[0].lifetime_calls, found[0].shared_blocks) == (3.0, 0.5, 0.0, 7.0)


def test_statements_that_did_not_run_and_our_own_are_left_out() -> None:
    before = reading(0.0, a=Counts(1.0, 1.0, 1.0, 0.0), b=Counts(1.0, 1.0, 1.0, 0.0))
    after = reading(
        1.0, a=Counts(1.0, 1.0, 1.0, 0.0, "SELECT 1"), b=Counts(2.0, 1.0, 1.0, 0.0, "SELECT /* unslow */ 1")
    )
    assert differences(before, after) == ()
