"""Everything fits a screen of 80 columns; what is not a screen gets whole lines."""

import contextlib
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from herocloud.cli import terminal
from herocloud.views import writer

STACK = """\
stack: shop
images: {debian12: {source: "https://images.example.org/far/down/debian-12-genericcloud-amd64.qcow2", unpinned: true, format: qcow2}}
networks: {lan: {cidr: 10.42.0.0/24}, backbone: {cidr: 10.43.0.0/24}}
volumes: {measurements: {size: 20 GiB}}
vms:
  a-virtual-machine-with-a-rather-long-name: {count: 2, image: debian12, networks: [lan, backbone]}
  db: {image: debian12, slices: 8, vcpus: 12, networks: [lan], volumes: [measurements]}
"""


@pytest.fixture
def narrow(herocloud: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Return a function that runs a command on a screen of 80 columns and gives what it printed."""

    def run(*words: str) -> str:
        with monkeypatch.context() as patch:
            patch.setattr(terminal, "_is_terminal", lambda _stream: True)
            return str(herocloud(*words, environment={"COLUMNS": "80", "NO_COLOR": "1"}).out)

    return run


def _widest(text: str) -> int:
    return max(map(len, text.splitlines()))


@pytest.mark.parametrize("words", [("plan",), ("doctor",), ("vm", "list"), ("state", "list"), ("show",), ("slice", "list")], ids=" ".join)
def test_what_is_printed_fits_eighty_columns(herocloud: Any, narrow: Callable[..., str], words: tuple[str, ...]) -> None:
    herocloud.write(STACK)
    if words != ("plan",):
        herocloud.done("apply", "-y", "-q")
    out = narrow(*words)
    assert _widest(out) <= 80, out


def test_a_folded_cell_says_all_of_it(herocloud: Any, narrow: Callable[..., str]) -> None:
    herocloud.write(STACK)
    herocloud.done("apply", "-y", "-q")
    out = narrow("vm", "list")
    assert "10.43.0.2" in out
    assert "s3-sa" in out


def test_without_a_screen_lines_stay_whole(herocloud: Any) -> None:
    herocloud.write(STACK)
    herocloud.done("apply", "-y", "-q")
    assert "10.42.0.2, 10.43.0.2" in herocloud.done("vm", "list").out


@pytest.mark.parametrize("columns", ["0", "1", "2", "99999999999999999999", "²"])
def test_a_width_that_cannot_be_is_no_trouble(herocloud: Any, monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    herocloud.write(STACK)
    monkeypatch.setattr(terminal, "_is_terminal", lambda _stream: True)
    ran = herocloud("plan", environment={"COLUMNS": columns, "NO_COLOR": "1"})
    assert "to add" in ran.out


@pytest.mark.timeout(60)
def test_a_terminal_that_never_got_a_size_is_no_trouble(herocloud: Any) -> None:
    herocloud.write(STACK)
    screen, ours = pty.openpty()
    try:
        command = [sys.executable, "-m", "herocloud", "plan"]
        with subprocess.Popen(command, cwd=herocloud.folder, stdin=ours, stdout=ours, stderr=ours) as process:
            os.close(ours)
            said = b""
            with contextlib.suppress(OSError):
                while piece := os.read(screen, 65536):
                    said += piece
            assert process.wait(30) == 0
    finally:
        os.close(screen)
    assert b"to add" in said


def test_a_column_of_no_width_folds_letter_by_letter() -> None:
    assert writer.fold("ab c", 0) == ["a", "b", "c"]
