"""A real host whose QEMU is a stand-in: everything is real but the guests, so it runs wherever there is memory for one VM."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from herocloud.providers.qemu import kvm_probe
from herocloud.providers.vmm import folders, launch

MEMORY = 5 * 1024**3


def play(what: str) -> None:
    """Tell the stand-in what to play, in a file beside it: a VMM gets nothing of the caller's environment."""
    Path(os.environ["PATH"].split(":")[0], "plays").write_text(what, encoding="utf-8")


@pytest.fixture
def stand_in(herocloud: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Make a host with a KVM that passes every proof, and end what ran on it."""
    if os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") < MEMORY:
        pytest.skip("needs 5 GiB of memory, for one slice")
    programs = tmp_path / "programs"
    programs.mkdir()
    program = programs / "qemu-system-x86_64"
    source = Path(__file__).with_name("stand_in_vmm.py").read_text(encoding="utf-8")
    program.write_text(f"#!{sys.executable}\n{source}", encoding="utf-8")
    program.chmod(0o755)
    kvm = tmp_path / "kvm"
    kvm.touch()
    monkeypatch.setattr(kvm_probe, "_KVM", kvm)
    monkeypatch.setattr(kvm_probe.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(launch, "has_systemd", lambda: False)
    monkeypatch.setenv("PATH", f"{programs}:/usr/sbin:/usr/bin:/sbin:/bin")
    play("fine")
    (herocloud.data_folder / "host.yaml").write_text("name: node1\n", encoding="utf-8")
    yield herocloud
    herocloud("destroy", "-y", "--purge", "-q")
    shutil.rmtree(folders.runtime_root(herocloud.data_folder), ignore_errors=True)


@pytest.fixture
def spawn(herocloud: Any) -> Callable[..., subprocess.Popen[str]]:
    """Return a function that starts herocloud as a process of its own, in the working folder."""

    def start(*arguments: str, **options: Any) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "herocloud", *arguments]
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        return subprocess.Popen(command, cwd=herocloud.folder, text=True, **streams)

    return start
