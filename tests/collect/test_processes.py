from __future__ import annotations

import os
import socket
import time

from unslow.collect import processes


def test_a_command_name_may_hold_brackets_and_blanks() -> None:
    fields = "7 (a) b (c) S 3 1 1 0 -1 4 11 12 13 14 150 50 0 0 20 0 9 0 777 1 2"
    known = processes.parse_stat(fields)
    assert known == processes.Stat("a) b (c", "S", 3, 13, 200, 9, 777)


def test_this_process_is_python_and_started_lately() -> None:
    assert processes.is_python(os.getpid())
    started_s = processes.started_s(os.getpid())
    assert started_s is not None
    assert 0 <= time.time() - started_s < 24 * 3600


def test_a_socket_is_found_by_its_inode_and_its_holder() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        inode = os.fstat(listener.fileno()).st_ino
        held = processes.socket_inodes(os.getpid())
        assert held is not None
        assert held[inode] == listener.fileno()
        assert os.getpid() in processes.holders([inode])


def test_what_is_gone_is_none() -> None:
    assert processes.stat(2**22 + 1) is None
    assert processes.socket_inodes(2**22 + 1) is None
    assert processes.started_s(2**22 + 1) is None
    assert processes.command_line(2**22 + 1) == ()


def test_one_variable_is_read_and_another_is_not() -> None:
    assert processes.environment_value(os.getpid(), "UNSLOW_NEVER_SET") is None


def test_a_process_without_children_is_its_own_worker() -> None:
    assert processes.family([os.getpid()]) == (os.getpid(), (os.getpid(),))


def test_an_executable_runs_with_its_owners_rights_and_without_our_environment() -> None:
    answer = processes.run_as_owner(
        os.getpid(), ["-I", "-S", "-c", "import os; print(os.getuid(), 'HOME' in os.environ)"]
    )
    assert answer is not None
    assert answer.stdout.split() == [str(os.getuid()), "False"]
