"""A provider is one package and one line in the registry: commands plan it, apply it, find its drift and destroy what it made."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HOME = Path(__file__).parent / "first_provider"
STACK = """\
stack: shop
images:
  plain: {source: disk.raw, format: raw, unpinned: true}
volumes:
  data: {size: 1 MiB}
vms:
  web:
    hypervisor: dictionary
    image: plain
    memory: 1 GiB
    root_disk: {size: 4 MiB}
    volumes: [data]
"""
SESSION = """\
import importlib, io, json, sys
from contextlib import redirect_stderr, redirect_stdout
sys.path.insert(0, sys.argv[1])
from herocloud.providers import registry
line = next((line for line in registry.PROVIDERS if line.endswith(".dictionary")), "dictionary")
registry.PROVIDERS += [] if line in registry.PROVIDERS else [line]
from herocloud.cli import entry
said = []
for words in json.loads(sys.argv[2]):
    if words[0] == "tamper":
        dictionary = importlib.import_module(line)
        exec(words[1])
        continue
    sys.argv = ["herocloud", *words]
    out, err = io.TextIOWrapper(io.BytesIO()), io.TextIOWrapper(io.BytesIO())
    with redirect_stdout(out), redirect_stderr(err):
        try:
            code = entry.main()
        except SystemExit as ended:
            code = ended.code
        out.flush(), err.flush()
    said.append([code, out.buffer.getvalue().decode(), err.buffer.getvalue().decode()])
print(json.dumps(said))
"""


@pytest.fixture
def session(tmp_path: Path, clean_environment: None, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run commands one after the other in one process, whose memory is the hypervisor."""
    (tmp_path / "disk.raw").write_bytes(b"\0" * 1024**2)
    monkeypatch.setenv("HEROCLOUD_DATA_DIR", str(tmp_path / "data"))

    def run(*commands: tuple[str, ...], stack: str = STACK) -> list[tuple[int, str]]:
        (tmp_path / "stack.yaml").write_text(stack)
        words = [sys.executable, "-c", SESSION, str(HOME), json.dumps(commands)]
        ran = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, check=False)
        assert ran.returncode == 0, ran.stderr
        return [(code, out + err) for code, out, err in json.loads(ran.stdout)]

    return run


def test_it_is_planned_applied_and_destroyed(session: Any) -> None:
    said = session(("validate",), ("apply", "-y"), ("plan", "--detailed-exitcode"), ("vm", "list"), ("destroy", "-y"), ("state", "list"))
    assert [code for code, _ in said] == [0] * 6, said
    assert "warning" not in said[1][1]
    assert "No changes" in said[2][1]
    assert "dictionary" in said[3][1]
    assert "vm.web" not in said[5][1]


def test_its_machines_are_stopped_and_started(session: Any) -> None:
    said = session(("apply", "-y"), ("vm", "stop", "web"), ("vm", "list"), ("vm", "start", "web"), ("plan", "--detailed-exitcode"))
    assert [code for code, _ in said] == [0] * 5, said
    assert "stopped" in said[2][1]


def test_what_somebody_does_behind_its_back_is_found_and_mended(session: Any) -> None:
    gone = ("tamper", "dictionary.MACHINES.clear()")
    said = session(("apply", "-y"), gone, ("plan", "--detailed-exitcode"), ("apply", "-y"), ("plan", "--detailed-exitcode"))
    assert [code for code, _ in said] == [0, 2, 0, 0], said


def test_it_is_looked_at_by_the_doctor_and_named_where_a_name_is_wrong(session: Any) -> None:
    said = session(("doctor",), ("apply", "-y", "--hypervisor", "dictionnary"))
    assert "dictionary" in said[0][1]
    assert "did you mean `dictionary`?" in said[1][1]


def test_it_has_no_inside_because_it_declares_none(session: Any) -> None:
    said = session(("apply", "-y"), ("vm", "wait", "web", "--timeout", "5"), ("vm", "exec", "web", "--", "true"))
    assert said[1][0] == 0, said[1]
    assert "no programs" in said[2][1], said[2]


def test_its_machines_are_changed_live_paused_and_renamed(session: Any) -> None:
    larger = STACK.replace("size: 4 MiB", "size: 8 MiB").replace("memory: 1 GiB", "memory: 2 GiB")
    renamed = larger.replace("  web:", "  front:") + "moved: [{from: vm.web, to: vm.front}]\n"
    write = "open('stack.yaml', 'w').write({!r})"
    said = session(
        ("apply", "-y"),
        ("tamper", write.format(larger)),
        ("apply", "-y"),
        ("vm", "pause", "web"),
        ("vm", "resume", "web"),
        ("tamper", write.format(renamed)),
        ("apply", "-y"),
        ("plan", "--detailed-exitcode"),
        ("vm", "list"),
    )
    assert [code for code, _ in said] == [0] * len(said), said
    assert "front" in said[-1][1]
