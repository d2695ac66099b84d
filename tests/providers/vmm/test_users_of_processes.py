"""Of a VM that runs its process says which user it has, whatever is written down by now."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from herocloud.model import powers
from herocloud.providers.vmm import folders, grants, identity, users
from herocloud.providers.vmm.grants import Needs
from herocloud.providers.vmm.users import Range, User

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0 or shutil.which("setpriv") is None, reason="needs root and the program setpriv"),
]

NUMBERS = Range(0x7E100000, 64)
OTHER = NUMBERS.first + NUMBERS.size - 1
"""One of the last, which no VM gets."""
Start = Callable[..., None]


@pytest.fixture
def user(tmp_path: Path) -> Iterator[User]:
    if users.usable_range(NUMBERS) is None:
        pytest.skip("needs a user namespace that knows all users")
    for sid in ("v1", "v2"):
        folders.machine_folder(tmp_path, sid).mkdir(parents=True)
    chosen = users.choose(tmp_path, "v1", NUMBERS)
    yield chosen
    users.let_go(tmp_path, "v1", chosen.uid)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    running: list[subprocess.Popen[bytes]] = []

    def start(user: User, environment: dict[str, str]) -> None:
        words = ["setpriv", f"--reuid={user.uid}", f"--regid={user.gid}", f"--groups={user.shared}", "sh", "-c", "echo; read word"]
        process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={"PATH": os.environ["PATH"], **environment})
        running.append(process)
        assert process.stdout is not None
        process.stdout.read(1)
        stat = Path(f"/proc/{process.pid}/stat").read_text()
        identity.record_path(tmp_path, "v1").write_text(f"{identity.boot_id()}\n\n\n{stat}")

    yield start
    for process in running:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("content", ["", "x\n", "0 0\n", "1000 1000\n", f"{OTHER} {NUMBERS.first}\n"])
def test_a_vm_that_runs_has_the_user_of_its_process(tmp_path: Path, user: User, start: Start, content: str) -> None:
    written = folders.machine_folder(tmp_path, "v1") / users.FILE
    before = written.read_text()
    start(user, identity.environment(tmp_path, "v1"))
    written.write_text(content)
    assert users.of(tmp_path, "v1") == user
    assert users.flaw(tmp_path, "v1", user) == powers.USER_UNWRITTEN
    disk = tmp_path / "disk"
    disk.touch()
    grants.give(tmp_path, "v1", Needs(writes=frozenset({disk})))
    assert disk.stat().st_uid == user.uid
    assert users.choose(tmp_path, "v1", NUMBERS) == user
    assert (written.read_text(), users.flaw(tmp_path, "v1", user)) == (before, "")


def test_a_process_that_is_not_the_vm_s_says_nothing(tmp_path: Path, user: User, start: Start) -> None:
    start(User(OTHER, OTHER, NUMBERS.first), identity.environment(tmp_path, "v2"))
    assert users.of(tmp_path, "v1") == user
    (folders.machine_folder(tmp_path, "v1") / users.FILE).unlink()
    assert users.of(tmp_path, "v1") == users.caller()


def test_a_process_that_has_not_become_its_user_yet_says_nothing(tmp_path: Path, user: User, start: Start) -> None:
    start(User(0, 0, 0), identity.environment(tmp_path, "v1"))
    assert users.of(tmp_path, "v1") == user
    assert users.flaw(tmp_path, "v1", user) == ""


def test_what_is_said_to_be_taken_by_a_vm_with_another_user_is_taken_back(tmp_path: Path, user: User) -> None:
    (folders.machine_folder(tmp_path, "v2") / users.FILE).write_text(f"{OTHER} {NUMBERS.first}\n")
    entry = folders.base() / "users" / str(user.uid)
    before = entry.read_text()
    entry.write_text(f"{tmp_path.resolve()}/v2")
    assert users.flaw(tmp_path, "v1", user) == powers.USER_UNKNOWN
    assert users.choose(tmp_path, "v1", NUMBERS) == user
    assert entry.read_text() == before


def test_no_vm_gets_a_user_of_the_host_because_a_file_says_so(tmp_path: Path, user: User) -> None:
    for content in ("0 0\n", "1000 1000\n", "1000\n", "x\n"):
        (folders.machine_folder(tmp_path, "v1") / users.FILE).write_text(content)
        assert users.choose(tmp_path, "v1", NUMBERS) == user
