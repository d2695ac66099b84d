"""Where systemd runs, a VMM is a unit of its own: known, kept, ended, and started again under the same name."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from herocloud.providers.vmm import identity, launch

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0 or not Path("/run/systemd/system").is_dir(), reason="needs root on a host that systemd runs"),
]


@pytest.fixture
def unit(stand, monkeypatch):
    monkeypatch.setattr(launch, "has_systemd", lambda: True)
    yield stand
    subprocess.run(["systemctl", "stop", "herocloud-test.service"], check=False, capture_output=True)


def _state() -> str:
    return subprocess.run(["systemctl", "is-active", "herocloud-test.service"], check=False, capture_output=True, text=True).stdout.strip()


def test_it_is_a_unit_with_all_its_words(unit, eventually) -> None:
    words = ["a b", "it's", "$HOME", "${HOME}", "100%", "%n", "$$"]
    target = unit.data / "said"
    known = unit.start("sh", "-c", f'printf "[%s]" "$@" >{target}; exec tail -f /dev/null', "sh", *words)
    assert _state() == "active"
    assert "herocloud.slice" in Path(f"/proc/{known.pid}/cgroup").read_text()
    assert eventually(lambda: target.exists() and target.read_text() == "".join(f"[{word}]" for word in words))
    found = identity.find(unit.data, unit.sid)
    assert found is not None
    assert found.pid == known.pid


def test_it_ends_and_starts_again_under_its_name(unit, eventually) -> None:
    first = unit.start("sleep", "60")
    identity.send(first, signal.SIGTERM)
    launch.dismiss(unit.record)
    assert eventually(lambda: _state() != "active")
    second = unit.start("sleep", "61")
    assert identity.is_alive(second)
    assert second.pid != first.pid


def test_it_comes_back_by_itself_inside_its_unit(unit, eventually) -> None:
    first = unit.start("sleep", "60", restart="always")
    launch.keep(unit.record, kept=True)
    identity.send(first, signal.SIGKILL)
    assert eventually(lambda: (found := identity.running(unit.data, unit.sid)) is not None and found != first)
    assert _state() == "active"
    launch.keep(unit.record, kept=False)
    launch.dismiss(unit.record)


def test_a_reload_of_systemd_leaves_it_as_it_is(unit) -> None:
    unit.start("sleep", "60")
    before = _show("Slice", "OOMPolicy", "StandardOutput")
    assert "Slice=herocloud.slice" in before
    subprocess.run(["systemctl", "daemon-reload"], check=True, capture_output=True)
    assert _show("LoadState") == ["LoadState=loaded"]
    assert _show("Slice", "OOMPolicy", "StandardOutput") == before


def _show(*names: str) -> list[str]:
    words = ["systemctl", "show", f"--property={','.join(names)}", "herocloud-test.service"]
    return sorted(subprocess.run(words, check=True, capture_output=True, text=True).stdout.splitlines())


def test_a_host_that_shuts_down_ends_both(unit, eventually) -> None:
    known = unit.start("sleep", "60", restart="always")
    launch.keep(unit.record, kept=True)
    subprocess.run(["systemctl", "stop", "herocloud-test.service"], check=True, capture_output=True)
    assert not identity.is_alive(known)
    assert eventually(lambda: not identity.is_held(unit.record))
