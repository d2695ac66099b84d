"""The first thing that a newcomer runs shows what it promises, and leaves nothing behind."""

import contextlib
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import tiny

from herocloud.providers.vmm import cages


def _run(root: Path, folder: Path, *words: str, **more: str) -> str:
    # Settings of whoever runs it must not reach it: this one would make every plan fail.
    environment = {**os.environ, "TMPDIR": str(folder), "HEROCLOUD_HYPERVISOR": "none-such", "HEROCLOUD_DATA_DIR": str(folder / "mine")}
    environment |= more
    ended = subprocess.run(
        ["scripts/quickstart", *words], cwd=root, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert list(folder.iterdir()) == []
    return ended.stdout


@contextlib.contextmanager
def _watched() -> Iterator[set[int]]:
    """Yield the users as which VMMs of the example are seen to run, filled while it lasts."""
    found: set[int] = set()
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.5):
            for entry in Path("/proc").iterdir():
                with contextlib.suppress(OSError):
                    if entry.name.isdecimal() and b"guest=tiny-pair/" in (entry / "cmdline").read_bytes():
                        found.add(entry.stat().st_uid)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield found
    finally:
        over.set()
        watcher.join()


@pytest.fixture(scope="module")
def said(root: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    return _run(root, tmp_path_factory.mktemp("quickstart"), "--simulated")


def test_the_whole_loop_is_shown_in_its_order(said: str) -> None:
    commands = re.findall(r"^\$ herocloud (\w+)", said, re.MULTILINE)
    loop = ["init", "plan", "apply", "plan", "apply", "drift", "apply", "plan", "destroy"]
    assert [command for command in commands if command in loop] == loop


def test_nothing_is_left_to_do_after_an_apply(said: str) -> None:
    assert said.count("No changes.") == 2


def test_a_change_in_place_is_announced_as_one(said: str) -> None:
    assert re.search(r"^  ~ vm\.web\[0\] +update live +vcpus 1 → 2$", said, re.MULTILINE)


def test_drift_is_shown_and_mended(said: str) -> None:
    assert "Changed outside herocloud" in said
    assert re.search(r"^  \+ vm\.web\[1\] +create", said, re.MULTILINE)


def test_every_slice_is_free_at_the_end(said: str) -> None:
    assert "7 slices, 0 in use, 7 free." in said


def test_every_command_tells_how_long_it_took(said: str) -> None:
    assert len(re.findall(r"^  \(\d+ ms\)$", said, re.MULTILINE)) == len(re.findall(r"^\$ ", said, re.MULTILINE))


def test_a_word_that_it_does_not_know_is_refused(root: Path) -> None:
    ended = subprocess.run(["scripts/quickstart", "--fast"], cwd=root, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (64, "quickstart: there is no --fast; --simulated is the only word it takes\n")


@pytest.mark.guest
@pytest.mark.timeout(400)
@pytest.mark.usefixtures("tiny_image")
@pytest.mark.skipif(shutil.which("qemu-system-x86_64") is None, reason="needs qemu-system-x86_64 (package qemu-system-x86)")
@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_real_guests_answer_run_commands_and_change_in_place(root: Path, tmp_path: Path) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    # A person has the image in the cache after the first run; so has this test.
    with _watched() as users:
        said = _run(root, folder, HEROCLOUD_CACHE_DIR=str(tiny.CACHE))
    if "No real guests here" in said:
        pytest.skip("needs 9 GiB of memory for two slices")
    if os.geteuid() == 0 and cages.can_mount():
        assert len(users) >= 2
        assert 0 not in users
    assert "vm.one is ready" in said
    assert "<p>one is up.</p>" in said
    assert re.search(r"^hello from \S+: two has 1 processor$", said, re.MULTILINE)
    assert re.search(r"^  ~ vm\.two +update live +vcpus 1 → 2$", said, re.MULTILINE)
    assert re.search(r"^2\n .* up 0 min", said, re.MULTILINE), "it was not booted again"
    assert said.count("No changes.") == 1
    assert "Done: 4 destroyed" in said
    assert re.search(r"^Seen: two VMs made in \d+ ms, both guests ready \d+ ms later", said, re.MULTILINE)
