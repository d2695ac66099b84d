"""A provider is one package and one line in the registry: commands plan it, apply it, find its drift and destroy what it made."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from herocloud.rpc.client import Client, error_types
from herocloud.rpc.daemon import daemon_process
from herocloud.rpc.wire import unix_socket
from tests.providers.contract.first_line import FIRST

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
REGISTERED = """\
import importlib, io, json, sys
from contextlib import redirect_stderr, redirect_stdout
home, first, *words = sys.argv[1:]
sys.path.insert(0, home)
from herocloud.providers import registry
if first not in registry.PROVIDERS:
    registry.PROVIDERS.append(first)
from herocloud.cli import entry
"""
SESSION = """\
said = []
for words in json.loads(words[0]):
    if words[0] == "tamper":
        dictionary = importlib.import_module(first)
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
        words = [sys.executable, "-c", REGISTERED + SESSION, str(HOME), FIRST, json.dumps(commands)]
        ran = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, check=False)
        assert ran.returncode == 0, ran.stderr
        return [(code, out + err) for code, out, err in json.loads(ran.stdout)]

    return run


CATALOGUE = "images:\n  plain: {source: disk.raw, format: raw, unpinned: true}\n"
DAEMON = "sys.argv = ['herocloud', *words]\nsys.exit(entry.main())\n"


@pytest.fixture
def client(clean_environment: None) -> Iterator[Client]:
    """Call a daemon that has the provider."""
    # pytest's own folders are too deep for the path of a socket.
    with tempfile.TemporaryDirectory(prefix="hc-first-") as made:
        folder = Path(made)
        (folder / "disk.raw").write_bytes(bytes(1024**2))
        (folder / "host.yaml").write_text("name: node1\nimages: {catalogue: ./images.yaml}\n", encoding="utf-8")
        (folder / "images.yaml").write_text(CATALOGUE, encoding="utf-8")
        words = ["--data-dir", made, "daemon", "run", "--socket", f"{made}/rpc.sock"]
        log = folder / "daemon.log"
        with log.open("wb") as said:
            process = subprocess.Popen([sys.executable, "-c", REGISTERED + DAEMON, str(HOME), FIRST, *words], stderr=said, cwd=made)
        try:
            deadline = time.monotonic() + 60
            while not (
                (found := daemon_process.find(folder)) and found.pid == process.pid and unix_socket.is_answered(folder / "rpc.sock")
            ):
                assert process.poll() is None, log.read_text(encoding="utf-8")
                assert time.monotonic() < deadline, log.read_text(encoding="utf-8")
            with Client(folder / "rpc.sock") as client:
                yield client
        finally:
            process.terminate()
            process.wait(60)


def test_the_daemon_deploys_it_switches_it_and_deletes_it(client: Client) -> None:
    job = client.deploy_vm("web", "s1", "plain", hypervisor="dictionary", disk_bytes=4 * 1024**2, memory_bytes=1024**3, wait=60)  # type: ignore[arg-type]
    assert (job["status"], job["error"]) == ("done", None)
    sid = str(job["sid"])
    assert client.get_vm(sid)["hypervisor"] == "dictionary"
    assert client.attach_hypervisor(sid)["attached"] is True
    assert client.vm_logs(sid)["lines"] == []
    with pytest.raises(error_types.WrongState, match="there is no guest inside, so it runs no programs"):
        client.vm_exec(sid, "echo", args=["I am real"])
    for act, status in ((client.stop_vm, "stopped"), (client.start_vm, "running"), (client.restart_vm, "running")):
        assert act(sid, wait=60)["status"] == "done"
        assert client.get_vm(sid)["status"] == status
    assert client.delete_vm(sid, wait=60)["status"] == "done"
    assert client.list_vms() == []


def test_the_daemon_names_it_among_the_hypervisors_and_refuses_others(client: Client) -> None:
    deploy = next(method for method in client.rpc_discover()["methods"] if method["name"] == "deploy_vm")
    words = next(one for one in deploy["params"] if one["name"] == "hypervisor")["schema"]["enum"]
    assert words == ["auto", "cloud-hypervisor", "dictionary", "qemu", "simulator"]
    with pytest.raises(error_types.InvalidParams, match="'dictionary'"):
        client.deploy_vm("web", "s1", "plain", hypervisor="dictionnary")  # type: ignore[arg-type]


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
    assert "runs on `dictionary`: there is no guest inside, so it runs no programs" in said[2][1], said[2]


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
