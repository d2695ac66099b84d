"""Pairs of applies at once over real networks, disks and seeds, killed at random; machines are pretended.

Both stacks want the same image, so they meet in the store; they meet in the tables of the kernel's firewall and in its settings too. Each
process goes into the network namespace of its pair first. After the last apply both stacks are destroyed, at once again, and the host has
to be as it was in the beginning.
"""

import hashlib
import importlib
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from herocloud.host import machine
from herocloud.host.detection import Detected
from herocloud.model.ids import Address, StackName
from herocloud.model.worlds import Observed, Thing
from herocloud.providers import registry
from herocloud.providers.seam import Probe, Work
from tests.apply import campaign, pairs, real_campaign
from tests.apply.real_world import Namespace
from tests.providers.images import engine
from tests.providers.network import dumps

GIB = 1024**3
STACK = """\
stack: {name}
images:
  img: {{source: "http://127.0.0.1:8080/debian.raw", sha256: SHA-OF-IMAGE, format: raw}}
networks:
  lan: {{cidr: 10.{number}.0.0/24, nat: true, forward: [{{host_port: 80{number}, vm: db, port: 80}}]}}
volumes:
  data: {{size: {size} MiB}}
vms:
  web: {{count: {count}, image: img, networks: [lan], memory: {memory} GiB, root_disk: {{size: 64 MiB}}}}
  db:
    {{image: img, networks: [{{network: lan, rate: {{download: 10 Mbit/s}}}}], volumes: [data], memory: 2 GiB,
     root_disk: {{size: 64 MiB}}}}
"""
HALVES = tuple(
    f"{provider}.{kind}.half"
    for provider, kinds in (("images", ("disk.create", "volume.create", "seed.write")), ("network", ("network.create", "tap.create")))
    for kind in kinds
)
POINTS = {**pairs.POINTS, **dict.fromkeys(HALVES, 2), "network.effect": 24}
MACHINE = Detected("node1", 64 * GIB, 800 * GIB, 800 * GIB, 8, (), None, 0)
"""What is detected, so that both stacks fit wherever this runs."""
_LOCK = threading.Lock()


class Machines:
    """The pretended hypervisor with a file for each stack, because two processes work on two stacks at once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def _of(self, work: Work) -> engine.Machines:
        return self._at(self._folder / f"machines-{work.stack}.json")

    def _at(self, file: Path) -> engine.Machines:
        machines = engine.Machines(self._folder)
        machines.file = file
        return machines

    def perform(self, work: Work) -> Any:
        with _LOCK:
            return self._of(work).perform(work)

    def probe(self, work: Work) -> Probe:
        with _LOCK:
            return self._of(work).probe(work)

    def undo(self, work: Work) -> None:
        with _LOCK:
            self._of(work).undo(work)

    def close(self) -> None:
        """Nothing is open."""

    def observe(self, _stacks: Iterable[StackName] | None) -> Observed:
        found: dict[StackName, dict[Address, Thing]] = {}
        for file in self._folder.glob("machines-*.json"):
            stack = StackName(file.stem.removeprefix("machines-"))
            for address, parts in self._at(file).read().items():
                found.setdefault(stack, {})[Address(address)] = Thing(stack, Address(address), engine.NAME, parts)
        return Observed(found)


DECLARATION = engine.DECLARATION._replace(
    observer=lambda context: Machines(context.folder), driver=lambda context: Machines(context.folder)
)


class RealPair(pairs.Pair):
    """Two stacks whose networks, disks and seeds are real, in a network namespace of their own."""

    host = "name: node1\n"
    points = POINTS
    longest = 1.5

    def __init__(self, folder: Path, seed: int) -> None:
        """Put an image where the server of the namespace finds it."""
        for name in real_campaign.HEAVY:
            importlib.import_module(name)
        served = folder / "served"
        real_campaign.serve(served)
        self.stack = STACK.replace("SHA-OF-IMAGE", hashlib.sha256((served / "debian.raw").read_bytes()).hexdigest())
        super().__init__(folder, seed)
        self._namespace = Namespace(served)

    def close(self) -> None:
        """End the namespace and what is in it."""
        self._namespace.close()

    def inside(self, work: Callable[[], Any]) -> Any:
        """Do something in this very process, which is a child that ends soon, as a process of this host."""
        registry.PROVIDERS = engine.lines()
        sys.modules[engine.NAME] = sys.modules[__name__]
        machine.detect = lambda *_asked, **_named: MACHINE
        self._namespace.enter()
        return work()

    def live(self) -> pairs.Lived:
        """Live as any pair does, and then destroy both at once: nothing may be left on the host."""
        before = self._look()
        lived = super().live()
        if lived.problems:
            return lived
        ended = {campaign.require(end) for end in self.at_once(self.destroy, [None, None])}
        left = [f"left on the host: {line}" for line in dumps.differences(before, self._look())]
        return lived._replace(problems=(*sorted(ended - {"done"}), *left))

    def destroy(self, name: str) -> str:
        """Destroy one stack; returns how it ended."""
        return self.apply(name, destroy=True)

    def _look(self) -> Any:
        return campaign.require(campaign.in_child(lambda: self.inside(real_campaign.look_at_host)))
