"""Hosts and guests as network namespaces of their own, with a daemon that the provider starts: the stand-in, or the real one."""

import itertools
import json
import os
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import daemons

from tests.providers.network import dumps

HERE = Path(__file__).parent
NETWORK = HERE.parent / "network"
FORGET = "from herocloud.providers.mycelium import former_settings; former_settings.forget()"
"""What a host keeps in the runtime folder of the machine, until the overlay leaves it."""
_numbers = itertools.count(1)


class Refusal(Exception):
    """The provider refused; the text begins with the kind of error."""


class Card:
    """A guest's network card: its namespace and the process that carries its frames."""

    def __init__(self, namespace: str, nic: dict[str, Any], process: "subprocess.Popen[str]") -> None:
        self.namespace, self.nic, self.process = namespace, nic, process

    def send(self, frame: bytes) -> None:
        self._ask({"send": frame.hex()})

    def seen(self) -> list[bytes]:
        return [bytes.fromhex(frame) for frame in json.loads(self._ask({"seen": True}))]

    def _ask(self, order: dict[str, Any]) -> str:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline()


class OverlayHost:
    """A namespace that plays a host, with a data folder of its own."""

    def __init__(self, folder: Path, kind: str, letter: str = "a") -> None:
        self.folder, self.kind = folder, kind
        folder.mkdir(parents=True, exist_ok=True)
        # Names of namespaces follow from it, and those are the whole machine's.
        self.lineage = uuid.uuid4().hex
        (folder / "state.lineage").write_text(f"{self.lineage}\n")
        self.name = f"mycelium-{os.getpid()}-{next(_numbers)}{letter}"
        self._namespaces: list[str] = []
        self._processes: list[subprocess.Popen[str]] = []
        self._worker: subprocess.Popen[str] | None = None
        self.settings: dict[str, str] = {}
        self.enter: list[str] = []
        self.programs = folder.parent / f"programs-{letter}"
        self.programs.mkdir(exist_ok=True)
        if kind == "standin":
            program = self.programs / "mycelium"
            program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{HERE / "standin.py"}" "$@"\n')
            program.chmod(0o755)
        self.namespace(self.name)
        for value in (1, 0):
            # A new namespace begins with the settings of the machine as they are just then; on and off again sets them all.
            self.on_host(f"sysctl -q -w net.ipv4.ip_forward={value}")
            self.on_host(f"sysctl -q -w net.ipv6.conf.all.forwarding={value}")

    def namespace(self, name: str) -> None:
        self._namespaces.append(name)
        run(["ip", "netns", "add", name])
        self.within(name, "ip", "link", "set", "lo", "up")

    def within(self, namespace: str, *words: str, check: bool = True) -> str:
        return run(["ip", "netns", "exec", namespace, *words], check=check)

    def on_host(self, text: str) -> str:
        return self.within(self.name, *text.split())

    def start(self, namespace: str, *words: str, **environment: str) -> "subprocess.Popen[str]":
        path = f"{self.programs}:{os.environ['PATH']}" if self.kind == "standin" else os.environ["PATH"]
        process = subprocess.Popen(
            ["ip", "netns", "exec", namespace, sys.executable, *words],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "PATH": path, **environment},
        )  # fmt: skip
        self._processes.append(process)
        return process

    # The providers.

    def worker(self, faults: str = "") -> "subprocess.Popen[str]":
        return self.start(self.name, str(HERE / "overlay_worker.py"), str(self.folder), HEROCLOUD_FAULTS=faults)

    def order(self, order: dict[str, Any], worker: "subprocess.Popen[str] | None" = None) -> Any:
        if worker is None:
            worker = self._worker = self._worker or self.worker()
        assert worker.stdin
        assert worker.stdout
        assert worker.stderr
        worker.stdin.write(json.dumps(order) + "\n")
        worker.stdin.flush()
        line = worker.stdout.readline()
        if not line:
            raise EOFError(worker.stderr.read())
        answer = json.loads(line)
        if "error" in answer:
            raise Refusal(f"{answer['error']}: {answer['says']}")
        return answer["answer"]

    def work(self, verb: str, kind: str, address: str, part: str, before: Any, after: Any, **more: Any) -> Any:
        step = {"kind": kind, "address": address, "rest": [part, before, after]}
        provider = "network" if kind.startswith("tap.") else "mycelium"
        worker = more.pop("worker", None)
        order = {"verb": verb, "provider": provider, "step": step, "stack": "shop", "lineage": self.lineage, **more}
        return self.order(order, worker)

    def perform(self, *step: Any, **more: Any) -> Any:
        return self.work("perform", *step, **more)

    def probe(self, *step: Any, **more: Any) -> Any:
        return tuple(self.work("probe", *step, **more))

    def undo(self, *step: Any, **more: Any) -> Any:
        return self.work("undo", *step, **more)

    def things(self, stack: str = "shop") -> dict[str, dict[str, Any]]:
        """Return what both providers see of a stack, by address."""
        overlay, network = self.order({"verb": "observe"})
        return {**overlay.get(stack, {}), **network.get(stack, {})}

    # The command line.

    def become_whole(self) -> None:
        """Have the command line manage this host: it makes its own state, and does not use what the tests wrote for the providers."""
        (self.folder / "state.lineage").unlink(missing_ok=True)
        (self.folder / "host.yaml").write_text("name: node1\n")
        # Mounts that all its commands share: `ip netns exec` gives each its own, and namespaces of networks, which are mounts, get lost.
        script = "mount --make-rprivate / && umount -l /sys && mount -t sysfs sysfs /sys && echo ready && exec cat"
        holder = subprocess.Popen(
            ["nsenter", f"--net=/run/netns/{self.name}", "unshare", "--mount", "sh", "-c", script],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._processes.append(holder)
        assert holder.stdout
        assert holder.stderr
        assert holder.stdout.readline() == "ready\n", holder.stderr.read()
        self.enter = ["nsenter", "--target", str(holder.pid), "--mount", "--net"]

    def run_guests(self) -> None:
        """Have the command line run real guests without KVM."""
        self.settings = {"HEROCLOUD_HYPERVISOR": "qemu", "HEROCLOUD_ACCELERATOR": "tcg"}

    def ask(self, *words: str, faults: str = "") -> "subprocess.CompletedProcess[str]":
        """Run the command line on this host."""
        path = f"{self.programs}:{os.environ['PATH']}" if self.kind == "standin" else os.environ["PATH"]
        environment = {**os.environ, "PATH": path, "HEROCLOUD_DATA_DIR": str(self.folder), "HEROCLOUD_FAULTS": faults, "NO_COLOR": "1"}
        environment.update(self.settings)
        program = [sys.executable, "-m", "herocloud", "--chdir", str(self.folder)]
        return subprocess.run([*self.enter, *program, *words], capture_output=True, text=True, env=environment, check=False, timeout=300)

    def herocloud(self, *words: str, code: int = 0) -> str:
        """Run the command line, and return what it printed; for JSON that is the result alone."""
        ran = self.ask(*words)
        assert ran.returncode == code, f"{words}: {ran.returncode}\n{ran.stdout}\n{ran.stderr}"
        return ran.stdout if "--json" in words else ran.stdout + ran.stderr

    # What tests set up.

    def key(self, name: str = "host") -> str:
        """Make a key; returns the subnet that follows from it."""
        from herocloud.providers.mycelium import arithmetic

        return arithmetic.node_subnet(self.order({"verb": "key", "name": name}))

    def enable(self, part: dict[str, Any], **more: Any) -> None:
        self.perform("overlay.enable", "mycelium.node", "overlay", None, part, **more)

    def disable(self, part: dict[str, Any], **more: Any) -> None:
        self.perform("overlay.disable", "mycelium.node", "overlay", part, None, **more)

    def add_peer(self, endpoint: str, **more: Any) -> None:
        self.perform("peer.add", f"peer.{endpoint}", "peer", None, {"endpoint": endpoint}, **more)

    def remove_peer(self, endpoint: str, **more: Any) -> None:
        self.perform("peer.remove", f"peer.{endpoint}", "peer", {"endpoint": endpoint}, None, **more)

    def guest(self, number: int, subnet: str, **fields: Any) -> Card:
        """Make a tap on the overlay and a guest behind it, set up as its seed would."""
        from herocloud.providers.mycelium import arithmetic

        address = arithmetic.vm_address(subnet, f"{number:012x}")
        nic = {
            "network": "mycelium", "mac": f"02:00:00:00:00:{number:02x}", "address": address,
            "tap": f"hc-v{number}-0", "rate": None, **fields,
        }  # fmt: skip
        self.perform("tap.create", f"vm.g{number}", "nic.0", None, nic)
        namespace = f"{self.name}-g{number}"
        self.namespace(namespace)
        process = self.start(self.name, str(NETWORK / "cable.py"), nic["tap"], namespace, nic["mac"])
        assert process.stdout
        assert process.stderr
        assert process.stdout.readline() == "ready\n", process.stderr.read()
        # With duplicate address detection, as any guest does it.
        for words in (
            f"link set eth0 mtu {daemons.MTU}",
            f"address add {address}/64 dev eth0",
            f"route add 400::/7 via {arithmetic.gateway(subnet)}",
        ):
            daemons.wait_until(lambda words=words: _works(["ip", "-n", namespace, *words.split()]), 5)
        daemons.wait_until(lambda: "tentative" not in run(["ip", "-n", namespace, "address", "show", "dev", "eth0"]), 15)
        return Card(namespace, nic, process)

    def drop_guest(self, card: Card) -> None:
        number = card.nic["tap"].removeprefix("hc-v").removesuffix("-0")
        card.process.kill()
        card.process.communicate()
        self.perform("tap.delete", f"vm.g{number}", "nic.0", card.nic, None)

    def serve(self, namespace: str, protocol: str, port: int) -> None:
        process = self.start(namespace, str(NETWORK / "talking.py"), "serve", protocol, str(port), "ipv6")
        assert process.stdout
        assert process.stderr
        assert process.stdout.readline() == "ready\n", process.stderr.read()

    def call(self, namespace: str, address: str, port: int, protocol: str = "tcp", patience: float = 20.0) -> str:
        words = [sys.executable, str(NETWORK / "talking.py"), "call", protocol, address, str(port), str(patience)]
        return self.within(namespace, *words).strip()

    def is_silent(self, namespace: str, address: str, port: int, protocol: str = "tcp") -> bool:
        return self.call(namespace, address, port, protocol, patience=1.5).startswith("failed: timed out")

    def dump(self) -> dict[str, Any]:
        """Write down everything that the overlay could leave behind on the host."""
        found = dict(dumps.read(self.within(self.name, "sh", "-c", dumps.SCRIPT)))
        found["settings"] = [line for line in found["settings"] if "conntrack" not in line]
        found["rules6"] = self.on_host("ip -6 rule").splitlines()
        found["routes6"] = sorted(self.on_host("ip -6 route show table all").splitlines())
        found["proxies"] = self.on_host("ip -6 neighbour show proxy").splitlines()
        return found

    def changes_since(self, before: dict[str, Any]) -> list[str]:
        return list(dumps.differences(before, self.dump()))

    def processes(self) -> list[str]:
        """Return the commands of all processes that live in this host's namespace, but for what the tests run."""
        listed = run(["ip", "netns", "pids", self.name]).split()
        own = {str(one.pid) for one in self._processes}
        found = []
        for pid in listed:
            try:
                words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().replace("\0", " ").strip()
            except OSError:
                continue
            if pid not in own:
                found.append(words)
        return found

    def close(self) -> None:
        from herocloud.kits import jsons

        lineage = self.folder / "state.lineage"
        if lineage.exists():
            self.lineage = lineage.read_text().strip()
        # What a failed test left: of the keepers first, which would start a daemon again. That of a network lives in a namespace whose name
        # is a mount of the process that made it, so it is known by its key.
        own = {one.pid for one in self._processes}
        for pid in run(["ip", "netns", "pids", self.name], check=False).split():
            if int(pid) not in own:
                subprocess.run(["kill", "-9", pid], check=False, capture_output=True)
        for pid in _pids_with(f"{self.folder}/mycelium/keys/"):
            subprocess.run(["kill", "-9", pid], check=False, capture_output=True)
        self.within(self.name, sys.executable, "-c", FORGET, check=False)
        inner = f"herocloud-{jsons.digest([self.lineage, 'shop'])[:8]}"
        for process in reversed(self._processes):
            process.kill()
            process.communicate()
        for namespace in (inner, *reversed(self._namespaces)):
            run(["ip", "netns", "delete", namespace], check=False)


def _pids_with(word: str) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if word in path.read_bytes().decode(errors="replace"):
                found.append(path.parent.name)
        except OSError:
            continue
    return found


def connect(one: OverlayHost, other: OverlayHost) -> tuple[str, str]:
    """Lay a cable between two hosts; returns their addresses on it."""
    run(["ip", "-n", one.name, "link", "add", "up0", "type", "veth", "peer", "name", "up0", "netns", other.name])
    for host, address in ((one, "192.0.2.1"), (other, "192.0.2.2")):
        run(["ip", "-n", host.name, "address", "add", f"{address}/24", "dev", "up0"])
        # A link-local address that is still being tried would be a difference between two dumps.
        host.on_host("sysctl -q -w net.ipv6.conf.up0.accept_dad=0")
        run(["ip", "-n", host.name, "link", "set", "up0", "up"])
    for host in (one, other):
        daemons.wait_until(lambda host=host: "fe80::" in host.on_host("ip -6 address show dev up0"), 10)
    return "192.0.2.1", "192.0.2.2"


def node(subnet: str | None, **fields: Any) -> dict[str, Any]:
    """Return the part `overlay`."""
    return {
        "addresses": subnet is not None, "mode": "host", "daemon": "auto", "interfaces": [],
        "key": {"name": "host"}, "subnet": subnet, **fields,
    }  # fmt: skip


def run(words: list[str], *, check: bool = True) -> str:
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    assert not check or ended.returncode == 0, f"{' '.join(words)}: {ended.stdout}{ended.stderr}"
    return ended.stdout


def _works(words: list[str]) -> bool:
    return subprocess.run(words, capture_output=True, check=False).returncode == 0
