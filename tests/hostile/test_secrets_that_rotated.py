"""A secret that was rotated lies in no file of the data folder any more once the apply is done."""

import base64
import shutil
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.world

STACK = """\
stack: s
images: {tiny: {kernel: ./vmlinuz, nocloud: true}}
vms:
  a: {image: tiny, hypervisor: qemu, state: stopped, memory: 64 MiB, secrets: {token: {env: TOKEN}}}
"""
OLD, NEW = "correct-horse-battery", "staple-of-another-kind"


@pytest.fixture
def rotated(herocloud: Any) -> Any:
    """Apply a stopped VM with a secret on the real host, and then with another value of it."""
    if shutil.which("qemu-system-x86_64") is None:
        pytest.skip("the program qemu-system-x86_64 is not installed")
    (herocloud.data_folder / "host.yaml").write_text("qemu: {accelerator: tcg}\n")
    (herocloud.folder / "vmlinuz").write_bytes(b"MZ kernel")
    herocloud.write(STACK)
    herocloud.done("apply", "-y", "-q", environment={"TOKEN": OLD})
    assert holding(herocloud.data_folder, OLD)
    herocloud.done("apply", "-y", "-q", environment={"TOKEN": NEW})
    return herocloud


def holding(folder: Path, text: str) -> list[Path]:
    forms = (text.encode(), base64.b64encode(text.encode()))
    return [path for path in folder.rglob("*") if path.is_file() and any(form in path.read_bytes() for form in forms)]


def test_no_file_holds_the_old_value(rotated: Any) -> None:
    assert holding(rotated.data_folder, NEW)
    assert holding(rotated.data_folder, OLD) == []
    assert "No changes." in rotated.done("plan", environment={"TOKEN": NEW}).out
    rotated.done("destroy", "-y", "--purge", environment={"TOKEN": NEW})


def test_the_change_can_be_undone_by_who_has_the_old_value(rotated: Any) -> None:
    rotated.done("undo", "-y", environment={"TOKEN": OLD})
    assert holding(rotated.data_folder, NEW) == []
    assert holding(rotated.data_folder, OLD)
    rotated.done("destroy", "-y", "--purge", environment={"TOKEN": OLD})
