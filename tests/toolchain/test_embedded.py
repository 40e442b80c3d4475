"""The embedded servers start where they must, survive what they must, leave nothing behind."""

import os
import pwd
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from mesh.embedded import Envoy, Postgres, ServerError, Valkey
from mesh.embedded.child import LONGEST_LOG_BYTES, Account, Child, keep_short
from mesh.embedded.envoy import validate
from mesh.embedded.placement import NOTE, Place, programs_for, socket_folder
from mesh.embedded.postgres import CLIENTS

ROOT = Path(__file__).parents[2]
BARE_ENVOY = '{"admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}}}'

NEVER_ENDS = "SELECT count(*) FROM generate_series(1, 10000000000)"

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has a user to step down to")


@pytest.fixture(scope="module")
def home(servers_folder: Path) -> Iterator[Path]:
    """One cluster for the tests that stop, kill and break a server: making one takes longest."""
    folder = servers_folder / "broken-postgres"
    yield folder
    Postgres(folder).erase()


@pytest.fixture
def server(home: Path) -> Iterator[Postgres]:
    server = Postgres(home)
    yield server
    server.stop()


def test_a_committed_row_survives_the_kill_of_postgres_and_an_immediate_start(
    server: Postgres,
) -> None:
    server.start()
    server.execute("CREATE TABLE committed (id int)")
    for number in range(3):
        server.execute(f"INSERT INTO committed VALUES ({number})")  # noqa: S608 - our own number
        server.kill()
        assert not server.running
        server.start()
    assert server.execute("SELECT count(*) FROM committed") == "3"


def test_a_backend_that_is_busy_when_its_postmaster_dies_does_not_hold_up_the_next(
    server: Postgres,
) -> None:
    server.start()
    busy = subprocess.Popen(
        [CLIENTS / "psql", "-h", server.socket, "-U", "postgres", "-c", NEVER_ENDS],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    is_active = f"SELECT count(*) FROM pg_stat_activity WHERE query = '{NEVER_ENDS}'"  # noqa: S608
    while server.execute(is_active) != "1":
        assert busy.poll() is None
    server.kill()
    server.start()
    assert server.execute("SELECT 1") == "1"
    assert busy.wait() != 0


def test_postgres_promises_that_what_is_committed_is_on_disk(server: Postgres) -> None:
    server.start()
    for setting in ("fsync", "synchronous_commit", "full_page_writes", "data_checksums"):
        assert server.execute(f"SHOW {setting}") == "on"
    assert server.execute("SHOW listen_addresses") == ""


def test_a_refused_statement_names_itself_and_the_reason(postgres: Postgres) -> None:
    with pytest.raises(ServerError, match=r"SELECT 1/0.*division by zero"):
        postgres.execute("SELECT 1/0")


START_ONE = """
import sys
from pathlib import Path
from mesh.embedded import Postgres
Postgres(Path(sys.argv[1])).start()
"""


def test_a_cluster_that_was_half_made_when_its_caller_was_killed_is_made_again(
    servers_folder: Path,
) -> None:
    home = servers_folder / "half-made"
    caller = subprocess.Popen(
        [sys.executable, "-c", START_ONE, home], cwd=ROOT, start_new_session=True
    )
    while not list(home.glob("server/*/PG_VERSION")):
        assert caller.poll() is None
    os.killpg(caller.pid, signal.SIGKILL)
    caller.wait()
    server = Postgres(home)
    server.start()
    assert server.execute("SELECT 1") == "1"
    server.stop()
    server.erase()


def test_data_of_another_major_version_is_refused_in_words(server: Postgres) -> None:
    server.start()
    server.stop()
    version = server.socket.parent / "data" / "PG_VERSION"
    ours = version.read_text()
    version.write_text("12\n")
    with pytest.raises(ServerError, match="written by PostgreSQL 12"):
        server.start()
    version.write_text(ours)


LEAVE_BEHIND = """
import os, signal, sys
from pathlib import Path
from mesh.embedded import Postgres, Valkey
servers = [Postgres(Path(sys.argv[1])), Valkey(Path(sys.argv[2]))]
for server in servers:
    server.start()
print(*(server.pid for server in servers), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def lives(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_servers_of_a_killed_caller_are_ended_by_the_next_start(
    server: Postgres, servers_folder: Path
) -> None:
    valkey = Valkey(servers_folder / "valkey-of-one-test")
    killed = subprocess.run(
        [sys.executable, "-c", LEAVE_BEHIND, server.home, servers_folder / "valkey-of-one-test"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    orphans = [int(pid) for pid in killed.stdout.split()]
    assert all(lives(pid) for pid in orphans)
    server.start()
    valkey.start()
    assert not any(lives(pid) for pid in orphans)
    assert server.execute("SELECT 1") == "1"
    valkey.stop()


def test_a_process_that_only_has_the_number_of_ours_is_left_alone(
    server: Postgres,
) -> None:
    server.home.mkdir(exist_ok=True)
    (server.home / "pid").write_text(f"{os.getpid()} 1.0\n")
    server.start()
    assert server.running


@as_root
def test_postgres_never_runs_as_root_and_its_folders_are_private(postgres: Postgres) -> None:
    owner = psutil.Process(postgres.pid).username()
    assert owner != "root"
    for folder in (postgres.socket, postgres.socket.parent / "data"):
        found = folder.stat()
        assert pwd.getpwuid(found.st_uid).pw_name == owner
        assert stat.S_IMODE(found.st_mode) == 0o700


@as_root
def test_in_a_folder_that_others_cannot_enter_the_data_live_where_their_user_can(
    tmp_path: Path,
) -> None:
    tmp_path.chmod(0o700)
    before = tmp_path.stat()
    server = Postgres(tmp_path / "postgres")
    server.start()
    try:
        place = Path((tmp_path / "postgres" / NOTE).read_text().strip())
        assert (place / "data" / "PG_VERSION").exists()
        assert not place.is_relative_to(tmp_path)
        server.execute("CREATE TABLE kept (id int)")
        server.stop()
        moved = (tmp_path / "postgres").rename(tmp_path / "moved")
        server = Postgres(moved)
        server.start()
        assert server.execute("SELECT count(*) FROM kept") == "0"
    finally:
        server.stop()
        server.erase()
    after = tmp_path.stat()
    assert (before.st_mode, before.st_uid) == (after.st_mode, after.st_uid)
    assert not place.exists()


@as_root
def test_programs_that_the_servers_user_cannot_reach_are_copied_to_where_he_can(
    servers_folder: Path, tmp_path: Path
) -> None:
    nobody = pwd.getpwnam("nobody")
    account = Account("nobody", nobody.pw_uid, nobody.pw_gid)
    tmp_path.chmod(0o700)
    locked = tmp_path / "wheel"
    (locked / "bin").mkdir(parents=True)
    (locked / "bin" / "server").write_text("#!/bin/sh\ncat $(dirname $0)/../share/words\n")
    (locked / "bin" / "server").chmod(0o700)
    (locked / "share").mkdir()
    (locked / "share" / "words").write_text("hello")
    folder = servers_folder / "programs-of-one-test"
    folder.mkdir(mode=0o755)
    programs = programs_for(Place(folder, account), locked, ("bin/server", "share", "absent"))
    said = subprocess.run(
        [programs / "bin" / "server"],
        user=account.uid,
        group=account.gid,
        extra_groups=[],
        cwd="/",
        stdout=subprocess.PIPE,
        check=True,
    )
    assert said.stdout == b"hello"


def test_a_socket_gets_a_short_private_folder_where_the_path_would_be_too_long(
    tmp_path: Path,
) -> None:
    long = tmp_path / ("deep" * 30)
    long.mkdir()
    folder = socket_folder(Place(long, None))
    assert len(str(folder)) < 60
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    folder.chmod(0o777)
    with pytest.raises(ServerError, match="not a private folder"):
        socket_folder(Place(long, None))
    folder.rmdir()


def test_valkey_answers_forgets_and_ends(valkey_url: str, valkey: Valkey) -> None:
    assert valkey_url.startswith("unix:///")
    assert valkey.answers()


def test_valkey_that_was_killed_starts_again(servers_folder: Path) -> None:
    server = Valkey(servers_folder / "killed-valkey")
    server.start()
    server.kill()
    assert not server.answers()
    server.start()
    assert server.answers()
    server.stop()
    assert not server.running


def test_envoy_says_where_its_admin_listener_is_and_ends(tmp_path: Path) -> None:
    config = tmp_path / "envoy.json"
    config.write_text(BARE_ENVOY)
    validate(config)
    envoy = Envoy(tmp_path / "envoy", config)
    envoy.start()
    assert envoy.answers()
    assert envoy.admin[0] == "127.0.0.1"
    envoy.stop()
    assert not envoy.running


def test_a_configuration_that_envoy_refuses_is_refused_with_its_words(tmp_path: Path) -> None:
    config = tmp_path / "envoy.json"
    config.write_text(BARE_ENVOY.replace("socket_address", "socket_adress"))
    with pytest.raises(ServerError, match="socket_adress"):
        validate(config)
    with pytest.raises(ServerError, match="socket_adress"):
        Envoy(tmp_path / "envoy", config).start()


def test_a_long_log_begins_again_while_its_process_goes_on_writing(tmp_path: Path) -> None:
    gate, log = tmp_path / "gate", tmp_path / "log"
    os.mkfifo(gate)
    child = Child("talker", tmp_path)
    child.spawn(["sh", "-c", f"echo one; read answer < {gate}; echo two"])
    with gate.open("w") as opened:  # once it reads, it has said its first word
        keep_short(log)
        assert log.read_text() == "one\n"
        os.truncate(log, LONGEST_LOG_BYTES + 1)
        keep_short(log)
        opened.write("go on\n")
    assert child.wait_until(lambda: False, 10.0) is False
    assert log.read_text() == "two\n"
    assert log.with_suffix(".1").read_bytes().startswith(b"one\n")
    assert child.last_words().endswith("two")
