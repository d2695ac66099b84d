"""`scripts/bench boot`: what it sees of a guest on vsock, what it says of a boot that fails, and that it goes on with the others.

The program in the place of Cloud Hypervisor boots nothing: it says that the guest is ready, and answers as the agent does.
"""

import importlib
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from herocloud.providers.images.builds import tiny

GUEST = """\
#!{python} -IS
import json, socket, sys
given = dict(zip(sys.argv[1::2], sys.argv[2::2]))
path = given["--vsock"].partition("socket=")[2]
listener = socket.socket(socket.AF_UNIX)
listener.bind(path)
listener.listen(4)
with open(given["--serial"].removeprefix("file="), "w") as serial:
    serial.write("[ 0.1] booting\\nherocloud-guest ready host=one seconds=0.01\\n")
while True:
    wire = listener.accept()[0].makefile("rwb", buffering=0)
    assert wire.readline() == b"CONNECT 1024\\n"
    wire.write(b"OK 1073741824\\n")
    number = json.loads(wire.readline().rpartition(b"\\xff")[2])["arguments"]["id"]
    wire.write(b"\\xff" + json.dumps({{"return": number}}).encode() + b"\\n")
"""


@pytest.fixture(scope="module")
def bench(root: Path) -> Iterator[SimpleNamespace]:
    """Return the modules of the benchmark, which are scripts and no package."""
    names = ("measuring", "boot_watch", "boot_sides", "boot")
    sys.path.insert(0, str(root / "bench"))
    try:
        yield SimpleNamespace(**{name: importlib.import_module(name) for name in names})
    finally:
        sys.path.remove(str(root / "bench"))
        for name in names:
            sys.modules.pop(name, None)


@pytest.fixture
def sides(bench: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Return a maker of the sides on Cloud Hypervisor, with a program in its place."""

    def make(program: str, patience: float = 20) -> Any:
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin" / "cloud-hypervisor").write_text(program, encoding="utf-8")
        (tmp_path / "bin" / "cloud-hypervisor").chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
        built = tiny.Built(tmp_path / "vmlinuz", tmp_path / "initramfs", "6.1")
        made = bench.boot_sides.CloudHypervisor(tmp_path, bench.boot_sides.Guest(built, 256, patience))
        made.seed.touch()
        return made

    return make


def test_a_guest_by_hand_is_ready_when_its_agent_answers_on_vsock(sides: Callable[..., Any]) -> None:
    way = sides(GUEST.format(python=sys.executable)).boot_bare("bare")
    assert way.first_byte is None
    assert len(way.parts) == 4
    assert 0 < way.ready < 20
    assert way.parts[3] > 0


def test_a_program_that_ends_at_once_is_told_with_its_last_words(sides: Callable[..., Any], bench: SimpleNamespace) -> None:
    with pytest.raises(bench.measuring.Failed) as failed:
        sides("#!/bin/sh\necho unknown option >&2\nexit 2\n").boot_bare("bare")
    said = str(failed.value)
    assert said.splitlines() == [
        "the VMM ended before its guest was ready",
        "  program.log: unknown option",
        "  serial.log is empty",
    ]


def test_a_guest_that_says_nothing_is_waited_for_as_long_as_asked(sides: Callable[..., Any], bench: SimpleNamespace) -> None:
    tail = shutil.which("tail")
    with pytest.raises(bench.measuring.Failed, match=r"no guest was ready within 0\.2 s"):
        sides(f"#!/bin/sh\nexec {tail} -f /dev/null\n", 0.2).boot_bare("bare")


class Sides:
    """Boots that end as they are told to."""

    hypervisor = "cloud-hypervisor"

    def __init__(self, bench: SimpleNamespace, ends: list[float | str]) -> None:
        self._bench, self._ends = bench, ends

    def boot_ours(self, _name: str) -> Any:
        end = self._ends.pop(0)
        if isinstance(end, str):
            raise self._bench.measuring.Failed(end)
        return self._bench.boot_watch.Way((end, 0.0, 0.0, 0.0), None, 1.0)

    boot_bare = boot_ours

    def accelerator(self) -> str:
        return "kvm"


def test_a_boot_that_fails_is_said_and_the_others_count(bench: SimpleNamespace, capsys: pytest.CaptureFixture[str]) -> None:
    # The first is not counted; then ours and by hand take turns.
    turns = bench.boot.Turns(Sides(bench, [99.0, 4.0, 1.0, "the disk is full", 2.0, 6.0, 3.0]))
    turns.go(3)
    turns.print_medians()
    said = capsys.readouterr().out
    assert turns.failed == 1
    assert "herocloud 2: failed: the disk is full\n" in said
    assert "2 boots with herocloud and 3 by hand by turns" in said
    assert "1 boots failed and are not counted\n" in said
    assert f"{'ready':24}{5:12.2f}{2:12.2f}{2.5:8.2f}\n" in said
    assert "first byte" not in said


def test_an_interrupted_run_prints_what_it_has_and_fails(bench: SimpleNamespace, capsys: pytest.CaptureFixture[str]) -> None:
    turns = bench.boot.Turns(Sides(bench, [99.0, 4.0, 1.0]))
    turns.go(1)
    with pytest.raises(SystemExit, match="1"):
        turns.interrupt(15, None)
    assert "1 boots with herocloud and 1 by hand by turns" in capsys.readouterr().out


def test_without_a_boot_of_each_there_is_nothing_to_compare(bench: SimpleNamespace, capsys: pytest.CaptureFixture[str]) -> None:
    turns = bench.boot.Turns(Sides(bench, ["no", "no", 1.0]))
    turns.go(1)
    turns.print_medians()
    assert capsys.readouterr().out.endswith("2 boots failed and are not counted\nnothing to compare\n")
