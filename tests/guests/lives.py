"""Lives of two VMs with real guests, struck at random moments: herocloud, a hypervisor's process or its keeper is killed.

A life has stages, a command each: created, changed while they run, snapshotted, restored, cloned, restarted, destroyed. Guests write words
to their disks in between, and sync. After a blow the next command goes on, as a person would: `resume`, and the same command once more
where it had not come to its end. Then the guests have to answer, their disks have to hold what was written, the plan has nothing to do,
and the host is as in a life that nobody disturbed: links, rules, files and processes. In the end nothing is left.

Used by `bench/crash_guests.py`. How the host is written down and compared is that of the other campaigns.
"""

import contextlib
import json
import os
import random
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from herocloud.providers.images.builds.tiny import Built
from herocloud.providers.vmm import identity
from tests.apply import real_campaign
from tests.guests import conftest as sites
from tests.providers.network import dumps

STACK = """\
stack: shop
images:
  tiny: {kernel: ./vmlinuz, initramfs: ./initramfs, cmdline: console=ttyS0 quiet, nocloud: true}
networks:
  lan: {cidr: 10.214.9.0/24}
volumes:
  data: {size: 16 MiB}
vms:
  one:
    {image: tiny, memory: 256 MiB, cpu: {max: 2}, root_disk: {size: 64 MiB}, networks: [lan], volumes: [data], restart: always}
  two: {image: tiny, memory: 256 MiB, root_disk: {size: 64 MiB}, networks: [lan]}
"""
CHANGED = """\
stack: shop
images:
  tiny: {kernel: ./vmlinuz, initramfs: ./initramfs, cmdline: console=ttyS0 quiet, nocloud: true}
networks:
  lan: {cidr: 10.214.9.0/24}
  side: {cidr: 10.215.9.0/24, isolated: true}
volumes:
  data: {size: 24 MiB}
vms:
  one:
    {image: tiny, memory: 256 MiB, vcpus: 2, cpu: {max: 2}, root_disk: {size: 96 MiB}, volumes: [data], restart: always,
     networks: [{network: lan, rate: {download: 50 Mbit/s}}, side]}
  two: {image: tiny, memory: 256 MiB, root_disk: {size: 64 MiB}, networks: [lan], env: {GREETING: hello}}
"""
Words = dict[tuple[str, str], str]
"""What the disks hold, by VM and disk."""
_ROOT, _VOLUME = "root", "volume"
_DISKS = (("one", _ROOT), ("one", _VOLUME), ("two", _ROOT))
_FIND_DISK = 'for d in /sys/block/vd*; do [ "$(cat $d/ro)" = 0 ] && [ "$(cat $d/serial)" = NAME ] && echo ${d##*/}; done; true'
_OF_THE_CLONE = "clone-twin"
_SETTLING = 30.0
"""Seconds until what ends by itself has ended."""
_LEFT_BY_RUNNING = ("vmm/", ".digests.json", "images/digests.json", ".lock", "seed.old.iso")
"""What a process that runs leaves beside its VM (records, logs and locks), and what undoing the last step needs."""


class Stage(NamedTuple):
    """A command, and how the world is afterwards."""

    name: str
    command: tuple[str, ...]
    stack: str = STACK
    """What the stack file says by then."""
    writes: str = ""
    """What guests write to all disks before it."""
    restores: str = ""
    """What the disks of `one` hold after it."""
    done: Callable[[Any], bool] = lambda _life: False
    """Whether there is nothing left to do, so that the command is not given again."""


STAGES = (
    Stage("create", ("apply", "-y")),
    Stage("change", ("apply", "-y"), CHANGED, writes="first"),
    Stage("snapshot", ("vm", "snapshot", "create", "one", "two", "--name", "s", "--memory", "--together"), CHANGED,
          done=lambda life: life.snapshots() == 2),
    Stage("restore", ("vm", "snapshot", "restore", "one", "s", "-y"), CHANGED, writes="second", restores="first"),
    Stage("clone", ("vm", "clone", "two", "twin"), CHANGED, done=lambda life: "vm.twin" in life.vms()),
    Stage("unclone", ("destroy", "--stack", "imperative", "-y"), CHANGED),
    Stage("restart", ("vm", "restart", "two"), CHANGED, writes="third"),
    Stage("forget", ("vm", "snapshot", "delete", "one", "s", "-y"), CHANGED, done=lambda life: life.snapshots() == 1),
    Stage("destroy", ("destroy", "-y"), CHANGED, writes="fourth"),
)  # fmt: skip
VICTIMS = ("herocloud", "herocloud", "herocloud", "vmm", "keeper", "herocloud and vmm", "herocloud and keeper")
"""Chosen from with equal chances."""


class Blow(NamedTuple):
    """Who is killed in a stage, and which part of its usual time after its beginning."""

    victim: str
    vm: str
    moment: float


class Lived(NamedTuple):
    """What came of a life."""

    kills: Mapping[str, int]
    """By who was killed."""
    problems: tuple[str, ...]
    took: Mapping[str, float]
    """How long each command took, in seconds."""
    worlds: Mapping[str, Any]
    """What there was after each stage."""


def choose_blows(seed: int) -> dict[str, Blow]:
    """Choose a blow for every stage."""
    chance = random.Random(seed)
    blows = {stage.name: Blow(chance.choice(VICTIMS), chance.choice(("one", "two")), chance.uniform(0.1, 1.0)) for stage in STAGES}
    # A keeper does nothing any more for a VM that nobody wants started again, so nobody puts another one there.
    return {name: blow._replace(vm="one") if "keeper" in blow.victim else blow for name, blow in blows.items()}


class Life:
    """One data folder in namespaces of its own, from the first apply to the last destroy."""

    def __init__(self, folder: Path, image: Built, hypervisor: str, state: Path) -> None:
        """`state` is an empty one that all lives begin with, because MACs follow from its identity."""
        self._namespace = sites.Namespace()
        self.site = sites.Site(folder, hypervisor, self._namespace.prefix)
        shutil.copytree(state, self.site.data, dirs_exist_ok=True)
        (self.site.data / "host.yaml").write_text("name: node1\n", encoding="utf-8")
        (self.site.folder / "vmlinuz").symlink_to(image.kernel)
        (self.site.folder / "initramfs").symlink_to(image.initramfs)
        self._words: Words = {}
        self._kills: dict[str, int] = {}
        self._problems: list[str] = []
        self._beginning: dict[str, Any] = {}
        self._lost_a_machine = False

    def close(self) -> None:
        """End what is left of it."""
        self.site.tidy()
        for pid in self._processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)
        self._namespace.close()

    def live(self, blows: Mapping[str, Blow], usual: Lived | None = None) -> Lived:
        """Go through all stages; `usual` is a life without blows, which this one is compared with."""
        took: dict[str, float] = {}
        worlds: dict[str, Any] = {}
        self._beginning = self._look()
        for stage in STAGES:
            try:
                took[stage.name] = self._pass(stage, blows.get(stage.name), 0.0 if usual is None else usual.took[stage.name])
                worlds[stage.name] = self._settle(None if usual is None else usual.worlds[stage.name])
            except (AssertionError, subprocess.TimeoutExpired) as error:
                self._problems.append(f"{stage.name}: {error}")
                break
            if usual is not None:
                self._problems += [f"{stage.name}: {line}" for line in dumps.differences(usual.worlds[stage.name], worlds[stage.name])]
            if self._problems:
                break
        return Lived(self._kills, tuple(self._problems), took, worlds)

    def _pass(self, stage: Stage, blow: Blow | None, usual: float) -> float:
        """Go through a stage; returns how long its command took."""
        if stage.writes:
            for vm, disk in _DISKS:
                self._write(vm, disk, stage.writes)
        (self.site.folder / "stack.yaml").write_text(stage.stack, encoding="utf-8")
        began = time.monotonic()
        if blow is None:
            self.site.done(*stage.command)
        else:
            self._strike(stage, blow, usual)
        took = time.monotonic() - began
        if blow is not None:
            self._go_on(stage)
        self._words |= {key: stage.restores for key in self._words if stage.restores and key[0] == "one"}
        self._check(stage)
        return took

    # Blows.

    def _strike(self, stage: Stage, blow: Blow, usual: float) -> None:
        """Begin the command of a stage, and kill."""
        began = time.monotonic()
        words = [*self.site.prefix, "sh", "-c", 'cd "$0" && exec "$@"', str(self.site.folder), sys.executable, "-m", "herocloud"]
        with subprocess.Popen(
            [*words, *stage.command],
            env=self.site.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as child:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(timeout=max(0.0, began + usual * blow.moment - time.monotonic()))
            if "herocloud" in blow.victim and child.poll() is None:
                child.kill()
                self._count("herocloud")
            before = self._kills.get("vmm", 0)
            for victim in ("vmm", "keeper"):
                if victim in blow.victim:
                    self._kill_process(victim, blow.vm)
            self._lost_a_machine = self._kills.get("vmm", 0) > before
            said = child.communicate(timeout=300 * sites.SLOWER)[0]
        if "Traceback" in said or "a defect" in said:
            self._problems.append(f"{stage.name}: {said[-1000:]}")

    def _kill_process(self, victim: str, vm: str) -> None:
        """Kill the process of a VM, or the shell that keeps it, where there is one at this moment."""
        for record in self.site.data.glob("vms/*/vmm/process" + (".keeper" if victim == "keeper" else "")):
            process = identity.read(record)
            if process is not None and self._is_of(record.parent.parent, vm) and identity.is_alive(process):
                identity.send(process, 9)  # type: ignore[arg-type]
                self._count(victim)

    @staticmethod
    def _is_of(folder: Path, vm: str) -> bool:
        try:
            return bool(json.loads((folder / "owner.json").read_text(encoding="utf-8"))["address"] == f"vm.{vm}")
        except (OSError, ValueError):
            return False

    def _count(self, victim: str) -> None:
        self._kills[victim] = self._kills.get(victim, 0) + 1

    def _go_on(self, stage: Stage) -> None:
        """Do what a person does after a crash: finish what was begun, have the machines run that should, and give the command again."""
        ran = self.site("resume", "-y")
        # What a dead process held in memory cannot be kept any more: then all of it is taken back (1), or what is left is done next (13).
        assert ran.returncode == 0 or (ran.returncode in (1, 13) and self._lost_a_machine), (
            f"resume ended with {ran.returncode}\n{ran.stderr}"
        )
        if stage.name != "destroy":
            self.site.done("apply", "-y")
        if not stage.done(self):
            self.site.done(*stage.command)
        if _OF_THE_CLONE in self.site.done("vm", "snapshot", "list"):
            # The copies that a clone is made from stay after a crash, as the documents say, and are deleted as any snapshot is.
            self.site.done("vm", "snapshot", "delete", "two", _OF_THE_CLONE, "-y")

    # What there has to be afterwards.

    def _check(self, stage: Stage) -> None:
        assert "There are no orphans." in self.site.done("state", "orphans")
        if stage.name == "destroy":
            left = list(dumps.differences(self._beginning, self._settle(self._beginning)))
            assert not left, f"left over: {left}"
            return
        self.site.done("drift", "--detailed-exitcode")
        self.site.done("plan", "--detailed-exitcode")
        self.site.done("vm", "wait", "--timeout", f"{sites.PATIENCE:g}")
        for (vm, disk), word in self._words.items():
            assert (found := self._read(vm, disk)) == word, f"the {disk} disk of {vm} holds {found!r} and no more {word!r}"
        if stage.name == "clone":
            self.site.done("vm", "wait", "--stack", "imperative", "--timeout", f"{sites.PATIENCE:g}")

    def _device(self, vm: str, disk: str) -> str:
        name = "root" if disk == _ROOT else "data"
        return self.site.shell(vm, _FIND_DISK.replace("NAME", name))

    def _write(self, vm: str, disk: str, word: str) -> None:
        device = self._device(vm, disk)
        self.site.shell(vm, f"printf {word} | dd of=/dev/{device} bs=512 conv=sync,fsync 2>/dev/null; sync")
        self._words[vm, disk] = word

    def _read(self, vm: str, disk: str) -> str:
        device = self._device(vm, disk)
        return self.site.shell(vm, f"echo 3 >/proc/sys/vm/drop_caches; head -c 16 /dev/{device} | tr -d '\\000'")

    def snapshots(self) -> int:
        """Return how many snapshots there are."""
        return len(json.loads(self.site.done("--json", "vm", "snapshot", "list"))["snapshots"])

    def vms(self) -> list[str]:
        """Return the VMs of the stack that clones belong to."""
        ran = self.site("--json", "vm", "list", "--stack", "imperative")
        return [vm["address"] for vm in json.loads(ran.stdout)["vms"]] if ran.returncode == 0 else []

    def _settle(self, wanted: Mapping[str, Any] | None) -> dict[str, Any]:
        """Look at the world once it is as wanted; what bounds the log of a dead keeper, say, looks every few seconds whether to go on."""
        deadline, pause = time.monotonic() + _SETTLING * sites.SLOWER, threading.Event()
        while True:
            found = self._look()
            if wanted is None or time.monotonic() > deadline or not list(dumps.differences(wanted, found)):
                return found
            pause.wait(1.0)

    def _look(self) -> dict[str, Any]:
        """Write down everything there is, without what may differ between two lives that did the same."""
        return {
            "host": real_campaign.look_at_host(lambda script: self.site.run("sh", "-c", script).stdout, owners=False),
            "files": sorted(self._files()),
            "processes": dict(Counter(map(_kind, self._processes()))),
        }

    def _files(self) -> Iterator[str]:
        for place in ("vms", "volumes", "images"):
            for path in (self.site.data / place).rglob("*"):
                name = str(path.relative_to(self.site.data))
                if path.is_file() and not any(word in name for word in _LEFT_BY_RUNNING):
                    yield name

    def _processes(self) -> list[int]:
        """Return the processes whose command line names this data folder."""
        found = []
        for place in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                if str(self.site.data).encode() in place.read_bytes():
                    found.append(int(place.parent.name))
        return found


def _kind(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()
    except OSError:
        return "gone"
