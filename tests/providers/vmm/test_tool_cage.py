"""A program that reads what a stranger made sees that and no more, has no rights, and is bounded."""

import json
import os
import signal
from pathlib import Path

import pytest

from herocloud.kits.subprocesses import CommandError
from herocloud.providers.vmm import tool_cage
from herocloud.providers.vmm.tool_cage import Bounds, Files

_MIB = 1024**2
_BOUNDS = Bounds(512 * _MIB, 20, _MIB)
_PYTHON = "/usr/bin/python3"
pytestmark = pytest.mark.skipif(not Path(_PYTHON).exists(), reason=f"needs {_PYTHON}")
_LOOK = """
import json, os, sys
status = dict(line.split(":\\t", 1) for line in open("/proc/self/status") if ":\\t" in line)
def reads(path):
    try:
        open(path, "rb").read(1)
    except OSError:
        return False
    return True
print(json.dumps({
    "uid": os.getuid(), "environment": sorted(os.environ), "privileges": status["NoNewPrivs"].strip(),
    "capabilities": int(status["CapPrm"], 16) | int(status["CapEff"], 16), "given": open(sys.argv[1]).read(), "other": reads(sys.argv[2]),
    "files": sorted(os.listdir("/proc/self/fd")),
}))
"""


def _run(*words: str, reads: Path | None = None, writes: Path | None = None, bounds: Bounds = _BOUNDS) -> str:
    files = Files([reads] if reads else [], [writes] if writes else [])
    return tool_cage.run([_PYTHON, "-I", "-c", *words], files, bounds, timeout=60)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "image"
    path.write_text("data")
    path.chmod(0o600)
    return path


def test_it_has_no_rights_and_nothing_of_the_caller(image: Path, monkeypatch) -> None:
    monkeypatch.setenv("DB_PASSWORD", "hush")
    secret = image.with_name("state.db")
    secret.write_text("secret")
    secret.chmod(0o600)
    said = json.loads(_run(_LOOK, str(image), str(secret), reads=image))
    assert said["given"] == "data"
    assert said["privileges"] == "1"
    assert said["capabilities"] == 0
    assert "DB_PASSWORD" not in said["environment"]
    if tool_cage._user().is_own:
        assert said["uid"] not in (0, os.getuid())
        assert said["other"] is False
    assert (image.stat().st_uid, image.stat().st_mode & 0o777) == (os.getuid(), 0o600)


def test_it_writes_where_it_may_and_no_more_than_it_may(image: Path) -> None:
    target = image.with_name("target")
    target.touch(mode=0o600)
    _run("import sys; open(sys.argv[1], 'wb').write(bytes(1000))", str(target), writes=target)
    assert target.stat().st_size == 1000
    assert target.stat().st_uid == os.getuid()
    with pytest.raises(CommandError) as caught:
        _run("import signal, sys; signal.signal(25, 0); open(sys.argv[1], 'wb').write(bytes(2**21))", str(target), writes=target)
    assert caught.value.returncode == -signal.SIGXFSZ
    assert target.stat().st_size <= _MIB


def test_it_gets_no_more_memory_and_no_more_time() -> None:
    with pytest.raises(CommandError, match="MemoryError"):
        _run("bytearray(2**30)")
    with pytest.raises(CommandError) as caught:
        _run("while True: pass", bounds=_BOUNDS._replace(seconds=1))
    assert caught.value.returncode in (-signal.SIGXCPU, -signal.SIGKILL)


def test_what_it_says_comes_as_it_is_said() -> None:
    pieces = tool_cage.stream([_PYTHON, "-I", "-c", "import sys; sys.stdout.buffer.write(bytes(3 * 2**20))"], Files(), _BOUNDS)
    assert sum(map(len, pieces)) == 3 * _MIB
    with pytest.raises(CommandError, match="too bad"):
        list(tool_cage.stream([_PYTHON, "-I", "-c", "import sys; sys.exit('too bad')"], Files(), _BOUNDS))
