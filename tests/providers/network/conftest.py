"""A host, guests and an outside as network namespaces of their own: made for one test, named after its process, gone with it.

Nothing here touches the namespace of the machine: the provider itself runs in a worker process inside the namespace of the host.
"""

import copy
import itertools
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.providers.network import ability, dumps
from tests.providers.network import frames as raw_frames

HERE = Path(__file__).parent
LINEAGE = "5d41402abc4b2a76b9719d911017c592"
GATEWAY = "10.42.0.1"

_numbers = itertools.count(1)


class Card(NamedTuple):
    """A guest's network card: its namespace and the process that carries its frames."""

    namespace: str
    nic: dict[str, Any]
    process: "subprocess.Popen[str]"

    def send(self, frame: bytes) -> None:
        """Put a raw frame on the wire."""
        self._ask({"send": frame.hex()})

    def seen(self) -> list[bytes]:
        """Return the frames that arrived since the last time."""
        return [bytes.fromhex(frame) for frame in json.loads(self._ask({"seen": True}))]

    def _ask(self, order: dict[str, Any]) -> str:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline()


class Refusal(Exception):
    """The provider refused; the text begins with the kind of error."""


class Site:
    """A namespace that plays the host, and others around it."""

    def __init__(self, folder: Path, stack: str = "shop") -> None:
        self.folder = folder
        self.stack = stack
        # What the state would say of itself.
        (folder / "state.lineage").write_text(f"{LINEAGE}\n")
        self.name = f"hct-{os.getpid()}-{next(_numbers)}"
        self.host = f"{self.name}-host"
        self.cards: list[Card] = []
        self._namespaces: list[str] = []
        self._processes: list[subprocess.Popen[str]] = []
        self._worker: subprocess.Popen[str] | None = None
        self.namespace(self.host)
        for value in (1, 0):
            # A new namespace begins with the settings of the machine as they are just then; on and off again sets them all.
            self.on_host(f"sysctl -q -w net.ipv4.ip_forward={value}")

    # Namespaces and processes.

    def namespace(self, name: str) -> None:
        self._namespaces.append(name)
        command(["ip", "netns", "add", name])
        self.within(name, "ip", "link", "set", "lo", "up")

    def within(self, namespace: str, *words: str, check: bool = True) -> str:
        """Run a command in a namespace."""
        return command(["ip", "netns", "exec", namespace, *words], check=check)

    def on_host(self, text: str) -> str:
        """Run a line of plain words on the host."""
        return self.within(self.host, *text.split())

    def as_nobody(self, program: str, *words: str) -> str:
        """Run a program on the host as root without CAP_NET_ADMIN, which is what the kernel asks for."""
        if shutil.which("setpriv") is None:
            pytest.skip("the program `setpriv` is missing: install util-linux")
        less = ["setpriv", "--inh-caps=-net_admin", "--bounding-set=-net_admin"]
        return self.within(self.host, *less, sys.executable, "-c", program, *words)

    def start(self, namespace: str, *words: str, environment: dict[str, str] | None = None) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            ["ip", "netns", "exec", namespace, sys.executable, *words],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **(environment or {})},
        )  # fmt: skip
        self._processes.append(process)
        return process

    def serve(self, namespace: str, protocol: str, port: int, *more: str) -> None:
        self._begin(self.start(namespace, str(HERE / "talking.py"), "serve", protocol, str(port), *more))

    def drain(self, namespace: str, port: int) -> None:
        self._begin(self.start(namespace, str(HERE / "talking.py"), "drain", str(port)))

    def call(self, namespace: str, address: str, port: int, protocol: str = "tcp", patience: float = 10.0) -> str:
        """Call a server and return its answer: the address that it saw."""
        words = [sys.executable, str(HERE / "talking.py"), "call", protocol, address, str(port), str(patience)]
        return self.within(namespace, *words).strip()

    def is_refused(self, namespace: str, address: str, port: int, protocol: str = "tcp") -> bool:
        """Tell whether a call gets no answer; who would answer does so at once."""
        return self.call(namespace, address, port, protocol, patience=0.7).startswith("failed")

    def knock(self, namespace: str, address: str) -> None:
        """Make a namespace learn where an address is: who lives there says at once that nobody listens."""
        assert "refused" in self.call(namespace, address, 9, "udp")

    @staticmethod
    def _begin(process: "subprocess.Popen[str]") -> None:
        assert process.stdout
        assert process.stderr
        line = process.stdout.readline()
        assert line == "ready\n", process.stderr.read()

    # The provider.

    def worker(self, faults: str = "") -> "subprocess.Popen[str]":
        return self.start(self.host, str(HERE / "worker.py"), str(self.folder), environment={"HEROCLOUD_FAULTS": faults})

    def order(self, order: dict[str, Any], worker: "subprocess.Popen[str] | None" = None) -> Any:
        if worker is None:
            worker = self._worker = self._worker or self.worker()
        return self.hear(self.tell(worker, order))

    @staticmethod
    def tell(worker: "subprocess.Popen[str]", order: dict[str, Any]) -> "subprocess.Popen[str]":
        assert worker.stdin
        worker.stdin.write(json.dumps(order) + "\n")
        worker.stdin.flush()
        return worker

    @staticmethod
    def hear(worker: "subprocess.Popen[str]") -> Any:
        assert worker.stdout
        assert worker.stderr
        line = worker.stdout.readline()
        if not line:
            raise EOFError(worker.stderr.read())
        answer = json.loads(line)
        if "error" in answer:
            raise Refusal(f"{answer['error']}: {answer['says']}")
        return answer["answer"]

    def work(self, verb: str, kind: str, address: str, part: str, before: Any, after: Any, **more: Any) -> Any:
        worker = more.pop("worker", None)
        step = {"kind": kind, "address": address, "rest": [part, before, after]}
        return self.order({"verb": verb, "step": step, "stack": self.stack, "lineage": LINEAGE, **more}, worker)

    def perform(self, *step: Any, **more: Any) -> Any:
        return self.work("perform", *step, **more)

    def probe(self, *step: Any, **more: Any) -> Any:
        return tuple(self.work("probe", *step, **more))

    def undo(self, *step: Any, **more: Any) -> Any:
        return self.work("undo", *step, **more)

    def observe(self, stacks: list[str] | None = None) -> Any:
        return self.order({"verb": "observe", "stacks": stacks})

    def part(self, address: str, part: str) -> Any:
        return self.observe().get(self.stack, {}).get(address, {"parts": {}})["parts"].get(part)

    # What tests set up.

    def network(self, name: str = "lan", **fields: Any) -> dict[str, Any]:
        part = network(name, **fields)
        self.perform("network.create", f"network.{name}", "network", None, part)
        return part

    def nic(self, number: int, **fields: Any) -> dict[str, Any]:
        part = nic(number, **fields)
        self.perform("tap.create", f"vm.g{number}", "nic.0", None, part)
        return part

    def guest(self, number: int, **fields: Any) -> Card:
        """Make a NIC and a guest behind it with the addresses that its seed would give it."""
        part = self.nic(number, **fields)
        namespace = f"{self.name}-g{number}"
        self.namespace(namespace)
        process = self.start(self.host, str(HERE / "cable.py"), part["tap"], namespace, part["mac"])
        self._begin(process)
        if part["address"] and ":" not in part["address"]:
            base = part["address"].rpartition(".")[0]
            self.within(namespace, "ip", "addr", "add", f"{part['address']}/24", "dev", "eth0")
            self.within(namespace, "ip", "route", "add", "default", "via", f"{base}.1")
        card = Card(namespace, part, process)
        self.cards.append(card)
        return card

    def outside(self) -> str:
        """Make the world beyond the uplink; it knows no way back into any network of ours."""
        namespace = f"{self.name}-out"
        self.namespace(namespace)
        self.on_host(f"ip link add up0 type veth peer name eth0 netns {namespace}")
        self.on_host("ip addr add 192.0.2.1/24 dev up0")
        self.on_host("ip link set up0 up")
        self.on_host("ip route add default via 192.0.2.2")
        self.within(namespace, "ip", "addr", "add", "192.0.2.2/24", "dev", "eth0")
        self.within(namespace, "ip", "link", "set", "eth0", "up")
        return namespace

    def dump(self) -> dict[str, Any]:
        """Write down everything that networks could leave behind on the host."""
        return dict(dumps.read(self.within(self.host, "sh", "-c", dumps.SCRIPT)))

    def changes_since(self, before: dict[str, Any]) -> list[str]:
        """Say what differs from an earlier dump; one line a difference reads better than two whole worlds."""
        return list(dumps.differences(before, self.dump()))

    def close(self) -> None:
        for process in reversed(self._processes):
            process.kill()
            process.communicate()
        for namespace in reversed(self._namespaces):
            command(["ip", "netns", "delete", namespace], check=False)


def command(words: list[str], *, check: bool = True) -> str:
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    assert not check or ended.returncode == 0, f"{' '.join(words)}: {ended.stdout}{ended.stderr}"
    return ended.stdout


def network(name: str = "lan", **fields: Any) -> dict[str, Any]:
    """Return the part of a network."""
    part = {"cidr": "10.42.0.0/24", "nat": True, "isolated": False, "forward": [], "gateway": GATEWAY, "bridge": f"hb-{name}"}
    return {**part, **copy.deepcopy(fields)}


def nic(number: int, **fields: Any) -> dict[str, Any]:
    """Return the part of a NIC on `lan`."""
    part = {
        "network": "lan",
        "mac": f"02:00:00:00:00:{number:02x}",
        "address": f"10.42.0.{number + 1}",
        "tap": f"hc-v{number}-0",
        "rate": None,
    }
    return {**part, **fields}


def forward(host_port: int, number: int, port: int, protocol: str = "tcp", **fields: Any) -> dict[str, Any]:
    """Return a published port that leads to a guest."""
    return {"host_port": host_port, "vm": f"vm.g{number}", "port": port, "protocol": protocol, "address": f"10.42.0.{number + 1}", **fields}


class Shapes:
    """What a site sets up as plain values, for tests that need no site or change a value by hand."""

    network = staticmethod(network)
    nic = staticmethod(nic)
    forward = staticmethod(forward)
    lineage = LINEAGE
    Refusal = Refusal
    here = HERE


@pytest.fixture
def shapes() -> type[Shapes]:
    """Return makers of parts."""
    return Shapes


@pytest.fixture
def until() -> Callable[[Callable[[], Any]], Any]:
    """Return a function that waits until a condition holds, and gives up loudly."""

    def wait(condition: Callable[[], Any], patience: float = 10.0) -> Any:
        end = time.monotonic() + patience
        pause = threading.Event()
        while not (found := condition()):
            assert time.monotonic() < end, "it did not come to pass"
            pause.wait(0.02)
        return found

    return wait


@pytest.fixture(scope="session")
def _able() -> None:
    """Skip with the reason where namespaces, taps or rules cannot be made."""
    lacking = ability.missing()
    if lacking:
        pytest.skip(lacking)


@pytest.fixture
def make_site(_able: None, tmp_path: Path) -> Iterator[Callable[..., Site]]:
    """Return a maker of sites, which are taken down at the end of the test."""
    made: list[Site] = []

    def make(**options: Any) -> Site:
        made.append(Site(tmp_path, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def site(make_site: Callable[..., Site]) -> Site:
    """Return a host without any network."""
    return make_site()


@pytest.fixture(scope="session")
def frames() -> Any:
    """Return the makers of raw frames, which live beside this file."""
    return raw_frames
