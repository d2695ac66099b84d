"""A data folder, plans and records to put into it, and processes that die or meet bad disks on the way."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from herocloud.kits import faults
from herocloud.model.errors import Refused
from herocloud.model.ids import Address, PlanId, Sid, StackName, StepId
from herocloud.model.plans import Capacity, Level, Plan
from herocloud.model.steps import Step
from herocloud.model.worlds import Record
from herocloud.state import store as states
from herocloud.state.store import Entry, Store

SHOP = StackName("shop")
_LEVEL = Level(0, 1, 1, 7)


VM: dict[str, Any] = {
    "hypervisor": "simulator",
    "image": "tiny",
    "image_id": {"source": None, "payload": None, "nocloud": False},
    "hostname": "web",
    "sid": "v1",
    "slices": [],
    "vcpus": 1,
    "memory": 4 * 1024**3,
    "cpu": {"max": 1, "affinity": None, "topology": None},
    "memory_options": {"hugepages": False, "mergeable": False, "boot": 4 * 1024**3, "hotplug": None},
    "root_disk": None,
    "volumes": [],
    "shares": [],
    "networks": [],
    "mycelium": None,
    "ssh_keys": [],
    "user_data": None,
    "env": {},
    "labels": {},
    "secrets": {},
    "restart": "no",
    "state": "running",
}
"""The target of a VM with everything that one has."""


class Make:
    """Builds what the state keeps, with defaults for all that a test does not speak of."""

    stack = SHOP

    def step(self, number: int = 0, kind: str = "vm.create", **more: Any) -> Step:
        address = Address(f"vm.web[{number}]")
        return Step(StepId(f"{address}/{kind}"), address, kind, "simulator", "machine", None, {"vcpus": number}, **more)

    def plan(self, name: str = "p1", steps: int = 2, **more: Any) -> Plan:
        usual: dict[str, Any] = {
            "id": PlanId(name),
            "stack": SHOP,
            "operation": "apply",
            "lineage": None,
            "host": "node1",
            "changes": (),
            "steps": tuple(self.step(number) for number in range(steps)),
            "capacity": Capacity(*[_LEVEL] * 7),
            "facts": (),
            "diagnostics": (),
        }
        return Plan(**(usual | more))

    def record(self, address: str = "vm.web[0]", *slices: str, stack: str = SHOP, **more: Any) -> Record:
        kind = address.partition(".")[0]
        spec = {**VM, "slices": [Sid(sid) for sid in slices]} if kind == "vm" else {"size": 1}
        usual = {"kind": kind, "provider": "simulator", "spec": spec, "parts": {"power": "running"}, "complete": True}
        return Record(stack=StackName(stack), address=Address(address), **(usual | more))

    def put(self, *records: Record) -> list[Entry]:
        return [Entry(StepId(f"{record.address}/vm.create"), "done", 1.0, record=record) for record in records]

    def remove(self, address: str, stack: str = SHOP) -> Entry:
        return Entry(StepId(f"{address}/vm.delete"), "done", 1.0, remove=(StackName(stack), Address(address)))

    def rename(self, origin: str, target: str, stack: str = SHOP) -> Entry:
        return Entry(StepId(f"{target}/record.write"), "done", 1.0, rename=(StackName(stack), Address(origin), Address(target)))


@pytest.fixture
def make() -> Make:
    return Make()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a data folder that does not exist yet."""
    return tmp_path / "data"


@pytest.fixture
def open_store(folder: Path) -> Iterator[Callable[[], Store]]:
    """Return a function that opens the state for writing; what is open at the end is closed."""
    opened: list[Store] = []

    def open_one() -> Store:
        store = states.open_state(folder, write=True)
        assert store is not None
        opened.append(store)
        return store

    yield open_one
    for store in opened:
        store.close()


@pytest.fixture
def store(open_store: Callable[[], Store]) -> Store:
    return open_store()


@pytest.fixture
def records_of() -> Callable[[Path], Mapping[str, Mapping[str, Record]]]:
    """Return a function that reads the records of a folder."""

    def read(folder: Path) -> Mapping[str, Mapping[str, Record]]:
        store = states.open_state(folder, write=False)
        if store is None:
            return {}
        with store:
            return store.recorded().records

    return read


@pytest.fixture
def content_of() -> Callable[[Path], dict[str, str]]:
    """Return a function that tells which files a folder holds, and a digest of each.

    The index of the log is told by name only: it is shared memory of SQLite, in which readers note where they read.
    """

    def look(folder: Path) -> dict[str, str]:
        found = {}
        for path in sorted(folder.rglob("*")):
            shared = path.name.endswith("-shm") or not path.is_file()
            found[str(path.relative_to(folder))] = "" if shared else hashlib.sha256(path.read_bytes()).hexdigest()
        return found

    return look


@pytest.fixture
def refused_with() -> Callable[[Callable[[], object]], Any]:
    """Return a function that expects a refusal with one diagnostic, and returns that."""

    def expect(action: Callable[[], object]) -> Any:
        with pytest.raises(Refused) as caught:
            action()
        (found,) = caught.value.diagnostics
        return found

    return expect


@pytest.fixture
def inject(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that sets the fault rules of this very process; called without rules it takes them away."""

    def set_rules(*rules: str) -> None:
        monkeypatch.setattr(faults, "_rules", faults._parse(",".join(rules)))
        monkeypatch.setattr(faults, "_counts", {})

    return set_rules


@pytest.fixture
def run_python() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return a function that runs a script in a process of its own, with fault rules; the script may die."""

    def run(script: str, *arguments: object, rules: str = "") -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "HEROCLOUD_FAULTS": rules, "PYTHONUNBUFFERED": "1"}
        command = [sys.executable, "-c", script, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=60)

    return run


@pytest.fixture
def run_mounted() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return a function that mounts something where only the script it runs can see it."""

    def run(mount: str, place: Path, script: str, folder: Path) -> subprocess.CompletedProcess[str]:
        command = f'{mount} && exec "$2" -c "$3" "$4"'
        arguments = ["unshare", "--mount", "sh", "-c", command, "sh", place, sys.executable, script, folder]
        return subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=60)

    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("needs root and unshare to mount a file system")
    if run("mount -t tmpfs none /mnt", Path("/mnt"), "pass", Path("/mnt")).returncode:
        pytest.skip("root may not mount a file system here")
    return run


@pytest.fixture
def start_python() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Return a function that starts a script and returns once it has printed its first line; it is ended with the test."""
    started: list[subprocess.Popen[str]] = []

    def start(script: str, *arguments: object) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", script, *map(str, arguments)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline()
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


HOLD = """
import sys
from pathlib import Path
from herocloud.state import locking
with locking.hold(Path(sys.argv[1]), "apply", "p-first", 0):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def hold_elsewhere(start_python, folder) -> Callable[[], subprocess.Popen[str]]:
    """Return a function that starts another process, which holds the lock of the folder until its input ends."""
    return lambda: start_python(HOLD, folder)
