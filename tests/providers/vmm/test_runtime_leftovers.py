"""What the runtime folder says of what is gone is removed, and what it says of anything that is there stays."""

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from herocloud.providers.vmm import folders, identity, launch, orders, users
from herocloud.providers.vmm.host_door import HostDoor
from herocloud.providers.vmm.launch import Launch

as_root = [pytest.mark.root, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]
NOBODYS = 0x7E200007
"""A number that no process has."""


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(folders, "_OF_ROOT", tmp_path / "run/herocloud")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    (tmp_path / "run").mkdir()
    return tmp_path / "run/herocloud"


def _vm(data: Path, sid: str) -> Path:
    folder = folders.machine_folder(data, sid)
    folder.mkdir(parents=True)
    return folder


class TestUsers:
    pytestmark = as_root

    @pytest.fixture
    def entries(self, runtime: Path, tmp_path: Path) -> Path:
        folder = runtime / "users"
        folder.mkdir(parents=True)
        for number, holder in ((NOBODYS, tmp_path / "gone/v1"), (NOBODYS + 1, tmp_path / "data/v1"), (os.getuid(), tmp_path / "gone/v2")):
            (folder / str(number)).write_text(str(holder))
        _vm(tmp_path / "data", "v1")
        return folder

    def test_those_of_a_data_folder_that_is_gone_go_unless_they_run_something(self, entries: Path) -> None:
        users.forget_gone()
        assert {entry.name for entry in entries.iterdir()} - {"lock"} == {str(NOBODYS + 1), str(os.getuid())}

    def test_a_start_removes_them(self, entries: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        from herocloud.providers.vmm import cages, loopback

        monkeypatch.setattr(loopback, "close", lambda _wanted: "")
        monkeypatch.setattr(cages, "choose_user", lambda *_words: None)
        (entries / "lock").touch()
        HostDoor(tmp_path / "data", None).close("v1")
        assert (entries / str(NOBODYS)).exists(), "it was looked at within an hour"
        os.utime(entries / "lock", (0, 0))
        HostDoor(tmp_path / "data", None).close("v1")
        assert not (entries / str(NOBODYS)).exists()
        assert users.has_forgotten_lately()

    def test_two_who_want_the_number_of_one_that_is_gone_do_not_both_get_it(self, entries: Path, tmp_path: Path, monkeypatch) -> None:
        assert entries.is_dir()
        judge, both = users._has, threading.Barrier(2)

        def has(name: str, number: int) -> bool:
            found = judge(name, number)
            with suppress(threading.BrokenBarrierError):
                both.wait(1)
            return found

        monkeypatch.setattr(users, "_has", has)
        got = []
        for sid in ("v2", "v3"):
            _vm(tmp_path / "data", sid)
        takers = [threading.Thread(target=lambda sid=sid: got.append(users._take(NOBODYS, tmp_path / "data", sid))) for sid in ("v2", "v3")]
        for taker in takers:
            taker.start()
        for taker in takers:
            taker.join()
        assert sorted(got) == [False, True]


class TestOrders:
    @pytest.fixture
    def order(self, runtime: Path) -> Iterator[object]:
        assert not runtime.exists()
        sleeping: list[subprocess.Popen[bytes]] = []

        def give(data: Path, sid: str, *, runs: bool = False) -> Path:
            record, environment = identity.record_path(data, sid), identity.environment(data, sid)
            record.parent.mkdir(parents=True)
            launch.prepare(Launch(record, ("sleep", "60"), data / "x.sock", "always", environment, "test"))
            if runs:
                sleeping.append(subprocess.Popen(["sleep", "60"], env=environment))
            return folders.orders_path(record)

        yield give
        for process in sleeping:
            process.kill()
            process.wait()

    def test_those_of_a_data_folder_that_is_gone_go_unless_something_runs_by_them(self, order, tmp_path: Path) -> None:
        gone, there, alive = order(tmp_path / "gone", "v1"), order(tmp_path / "data", "v1"), order(tmp_path / "lost", "v1", runs=True)
        for name in ("gone", "lost"):
            shutil.rmtree(tmp_path / name)
        orders.forget_gone()
        assert [path.exists() for path in (gone, there, alive)] == [False, True, True]

    def test_those_that_do_not_say_where_their_record_is_stay(self, order, tmp_path: Path) -> None:
        path = order(tmp_path / "gone", "v1")
        path.write_bytes(b"".join(b"%b\0%b\0" % (name.encode(), value.encode()) for name, value in (("word", "sleep"),)))
        shutil.rmtree(tmp_path / "gone")
        orders.forget_gone()
        assert path.exists()


_SCRIPT = """
import os, subprocess, sys
from pathlib import Path
from herocloud.providers.vmm import loopback
kept = loopback._place()
if kept is None:
    print("no numbers"); sys.exit()
def look():
    print(loopback.was_opened(), loopback.LoopbackLook(Path("/nowhere"))._is_open, sorted(os.listdir(kept.parent)) == sorted(there))
print(loopback.close() or "closed")
there = ["lock", kept.name]
look()
text = kept.read_text()
# The same number in another boot of a host that keeps its runtime folder.
kept.write_text(text.replace(text.split()[1], "another-boot", 1).replace("accept", "drop"))
look()
print(loopback.close() or "closed")
look()
subprocess.run(["nft", "delete", "table", "inet", loopback.TABLE], check=True)
look()
# One whose namespace is gone, one of another boot, and one of the host, whose processes are there.
host = sys.argv[1]
boot = text.split()[1]
for name, head in (("9000001", f"# {boot} 1"), ("9000002", f"# another-boot {host}"), ("9000003", f"# {boot} {host}")):
    (kept.parent / name).write_text(f"{head}\\n")
print(loopback.close() or "closed")
there.append("9000003")
look()
# As an earlier version kept it.
kept.write_text(text.partition("\\n")[2])
look()
"""


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("nft") is None, reason="needs root and nft")
def test_what_is_kept_of_rules_is_that_of_a_namespace_in_this_boot() -> None:
    words = ["unshare", "--net", "--mount", "sh", "-c", 'mount -t tmpfs tmpfs /run && exec "$0" -c "$@"', sys.executable, _SCRIPT]
    words.append(str(Path("/proc/self/ns/net").stat().st_ino))
    ran = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    if "Operation not permitted" in ran.stderr or "no numbers" in ran.stdout:
        pytest.skip("needs network namespaces with numbers")
    whole, opened = "False False True", "True True True"
    # Where nothing is known of this boot the table may be anybody's; a VM that runs there had it loaded.
    unknown = "False True True"
    assert ran.stdout.splitlines() == ["closed", whole, unknown, "closed", whole, opened, "closed", whole, whole], ran.stderr
