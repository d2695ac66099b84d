"""What is on the host: machines, disks, cards, networks and images, and what physics allows to be done with them.

Each disk and each machine has an identity that no other ever had, so a disk that was made again is not taken for the one that was there.
Every change is noted as an effect at its moment, in words about the thing and not about what somebody wanted.
"""

import itertools
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from herocloud.model.makers import Maker

GIB = 1024**3
DATA = ("disk", "volume")
BESIDE = ".new"
"""Behind the name of a part: it waits beside the one whose place it will take."""
AT_BOOT = ("max_vcpus", "boot_memory", "hotplug", "hugepages", "mergeable", "thp", "affinity", "topology", "root", "payload", "seed", "sid")
"""What a guest learns when it boots and never again."""


class Impossible(Exception):
    """No host can do this."""


class Gone(Exception):
    """Data that was destroyed cannot come back."""


class Effect(NamedTuple):
    """Something that happened to a thing."""

    moment: float
    address: str
    what: str
    """`comes`, `goes`, `down`, `up`, `stayed up`, `paused`, `data made`, `data goes`, `data back`, `purged`, `renamed` or `changed`."""
    identity: str = ""
    part: str = ""
    stack: str = ""


class Thing:
    """One address with its parts."""

    def __init__(self, stack: str, address: str) -> None:
        self.stack, self.address = stack, address
        self.lineage: str | None = None
        self.provider = ""
        self.parts: dict[str, Any] = {}
        self.identity: dict[str, str] = {}
        self.halves: dict[str, tuple[Any, int]] = {}
        """Parts that are half made: what they were to become, and the bytes that lie there."""
        self.serving = False
        """Whether a guest runs in it at this moment; a machine that is shutting down serves nobody any more."""

    @property
    def power(self) -> Any:
        return self.parts.get("power")

    @property
    def body(self) -> str | None:
        """The part that stands for the thing itself."""
        names = ("machine",) if self.address.startswith("vm.") else ("image", "network", "volume", "overlay", "peer")
        return next((name for name in names if name in self.parts), None)


class Grave(NamedTuple):
    """Data that was deleted and is kept."""

    stack: str
    address: str
    part: str
    body: Mapping[str, Any]
    identity: str
    maker: Maker
    """The step that deleted it."""


class Usage(NamedTuple):
    """How much of the host is in use."""

    memory: int = 0
    vcpus: int = 0
    disk: int = 0
    network: int = 0
    disk_io: int = 0
    hugepages: int = 0

    def highest(self, other: "Usage") -> "Usage":
        return Usage(*map(max, self, other))


class Machines:
    """The host."""

    def __init__(self) -> None:
        self.things: dict[tuple[str, str], Thing] = {}
        self.graves: list[Grave] = []
        self.effects: list[Effect] = []
        self.peak = Usage()
        self._numbers = itertools.count(1)
        self._called: dict[tuple[str, str], str] = {}
        """What a renamed volume is called now: machines that have it go on under the name that they know."""

    def thing(self, stack: str, address: str) -> Thing:
        return self.things.setdefault((stack, address), Thing(stack, address))

    def of(self, stack: str) -> Iterator[Thing]:
        return (thing for thing in list(self.things.values()) if thing.stack == stack)

    def note(self, moment: float, thing: Thing, what: str, part: str = "") -> None:
        self.effects.append(Effect(moment, thing.address, what, thing.identity.get(part, ""), part, thing.stack))

    # How full it is.

    def usage(self) -> Usage:
        """Add up everything that is there."""
        machines = [thing.parts["machine"] for thing in self.things.values() if "machine" in thing.parts]
        cards = [part for thing in self.things.values() for name, part in thing.parts.items() if name.startswith("nic.")]
        bodies = [part for thing in self.things.values() for name, part in thing.parts.items() if name.removesuffix(BESIDE) in DATA]
        bytes_kept = sum(part["size"] for part in bodies)
        bytes_half = sum(size for thing in self.things.values() for _, size in thing.halves.values())
        rates = [card["rate"] for card in cards if card.get("rate")]
        return Usage(
            memory=sum(machine["memory"] for machine in machines),
            vcpus=sum(machine["vcpus"] for machine in machines),
            disk=bytes_kept + bytes_half + self.buried(),
            network=sum(max(rate["download"] or 0, rate["upload"] or 0) for rate in rates),
            disk_io=sum(
                machine["root"]["rate"].get("bandwidth") or 0 for machine in machines if machine["root"] and machine["root"]["rate"]
            ),
            hugepages=sum(machine["memory"] for machine in machines if machine["hugepages"]),
        )

    def buried(self) -> int:
        return sum(grave.body["size"] for grave in self.graves)

    def measure(self) -> None:
        self.peak = self.peak.highest(self.usage())

    # What can be done.

    def check(self, thing: Thing, part: str, after: Any, *, undoing: bool = False) -> None:
        """Raise when this part of a thing cannot become `after`."""
        before = thing.parts.get(part)
        if part == "power":
            self._check_power(thing, before, after)
        elif part == "machine":
            self._check_machine(thing, before, after)
        elif part.startswith("nic."):
            self._check_card(thing, part, before, after)
        elif part == "disk" + BESIDE:
            _require(before is None or after is None, f"what waits beside {thing.address} does not change")
            self._check_image(thing, after, undoing=undoing)
        elif part in DATA:
            self._check_data(thing, part, before, after, undoing=undoing)
        elif part == "network" and after is None:
            users = [one.address for one in self.of(thing.stack) if thing.address in self._networks(one)]
            _require(not users, f"{thing.address} has cards of {users} on it")
        elif part == "seed" and after is None:
            _require("machine" not in thing.halves, f"a half-made machine holds the seed of {thing.address}")
            _require("machine" not in thing.parts or not thing.parts["machine"]["seed"], f"a machine holds the seed of {thing.address}")

    def _networks(self, thing: Thing) -> set[str]:
        return {f"network.{part['network']}" for name, part in thing.parts.items() if name.startswith("nic.")}

    def _check_power(self, thing: Thing, before: Any, after: Any) -> None:
        _require("machine" in thing.parts, f"{thing.address} has no machine")
        ways = {("stopped", "running"), ("running", "stopped"), ("paused", "stopped"), ("running", "paused"), ("paused", "running")}
        # Whoever takes back the stop of a paused machine goes this way.
        ways |= {("stopped", "paused")}
        _require((before, after) in ways, f"{thing.address} cannot go from {before} to {after}")
        if before == "stopped":
            self._check_footing(thing, thing.parts["machine"])

    def _check_footing(self, thing: Thing, machine: Mapping[str, Any]) -> None:
        for nic in machine["nics"]:
            _require(nic in thing.parts, f"{thing.address} has no {nic}")
            network = f"network.{thing.parts[nic]['network']}"
            _require("network" in self.thing(thing.stack, network).parts, f"{nic} of {thing.address} hangs on no {network}")
        for use in machine["volumes"]:
            volume = self.thing(thing.stack, self._volume(thing.stack, use["volume"]))
            _require("volume" in volume.parts, f"{thing.address} has no {volume.address}")
            others = [other.address for other in self._writers(thing.stack, use["volume"]) if other is not thing]
            _require(use["readonly"] or not others, f"{others} write to {volume.address} already")
        _require(not machine["root"] or "disk" in thing.parts, f"{thing.address} has no disk")
        _require(not machine["seed"] or "seed" in thing.parts, f"{thing.address} has no seed")

    def _writers(self, stack: str, volume: str) -> Iterator[Thing]:
        for thing in self.of(stack):
            for use in thing.parts.get("machine", {}).get("volumes", ()):
                if self._volume(stack, use["volume"]) == self._volume(stack, volume) and not use["readonly"]:
                    yield thing

    def _volume(self, stack: str, name: str) -> str:
        address = f"volume.{name}"
        there = self.things.get((stack, address))
        return address if there is not None and there.parts else self._called.get((stack, address), address)

    def _check_machine(self, thing: Thing, before: Any, after: Any) -> None:
        if after is None:
            _require(thing.power == "stopped", f"{thing.address} is {thing.power} and cannot be taken away")
            return
        self._check_footing(thing, after)
        _require(after["vcpus"] <= after["max_vcpus"], f"{thing.address} cannot have {after['vcpus']} vCPUs")
        if before is not None and thing.power != "stopped":
            cold = [field for field in AT_BOOT if before.get(field) != after.get(field)]
            _require(not cold, f"{thing.address} is {thing.power}, and {cold} cannot change then")
            top = after["boot_memory"] + (after["hotplug"] or 0)
            _require(after["boot_memory"] <= after["memory"] <= top, f"{thing.address} cannot have {after['memory']} bytes live")

    def _check_card(self, thing: Thing, part: str, before: Any, after: Any) -> None:
        if after is None:
            _require(part not in thing.parts.get("machine", {}).get("nics", ()), f"{part} of {thing.address} is plugged in")
        elif before is None:
            network = f"network.{after['network']}"
            _require("network" in self.thing(thing.stack, network).parts, f"there is no {network} for {part} of {thing.address}")

    def _check_data(self, thing: Thing, part: str, before: Any, after: Any, *, undoing: bool) -> None:
        if after is None:
            if part == "disk":
                held = "machine" in thing.parts or "machine" in thing.halves
                _require(not held, f"a machine holds the disk of {thing.address}")
            else:
                name = thing.address.partition(".")[2]
                _require(not any(self._writers(thing.stack, name)), f"a machine holds {thing.address}")
        elif before is None:
            if part + BESIDE not in thing.parts:
                self._check_image(thing, after, undoing=undoing)
        else:
            _require(before["path"] == after["path"], f"the {part} of {thing.address} cannot move")
            _require(undoing or before["size"] <= after["size"], f"the {part} of {thing.address} cannot shrink")

    def _check_image(self, thing: Thing, after: Any, *, undoing: bool) -> None:
        image = (after or {}).get("image")
        known = undoing or not image or "image" in self.thing(thing.stack, f"image.{image}").parts
        _require(known, f"there is no image {image} for the disk of {thing.address}")

    # Doing it.

    def place(self, moment: float, thing: Thing, part: str, after: Any) -> None:
        """Put what waits beside a part in its place."""
        _require(part + BESIDE in thing.parts, f"nothing waits to be the {part} of {thing.address}")
        _require(part not in DATA or part not in thing.parts, f"{thing.address} has a {part} already")
        del thing.parts[part + BESIDE]
        thing.parts[part], thing.identity[part] = after, thing.identity.pop(part + BESIDE)
        self.note(moment, thing, "data made" if part in DATA else "changed", part)

    def put_beside(self, moment: float, thing: Thing, part: str, before: Any) -> None:
        """Put a part where it waited before it was placed, and what it took the place of back."""
        path, dot, ending = thing.parts[part]["path"].rpartition(".")
        thing.parts[part + BESIDE] = {**thing.parts.pop(part), "path": f"{path}{BESIDE}{dot}{ending}"}
        thing.identity[part + BESIDE] = thing.identity.pop(part)
        if before is not None:
            thing.parts[part], thing.identity[part] = before, f"{part}-{next(self._numbers)}"
        self.note(moment, thing, "changed", part)

    def put(self, moment: float, thing: Thing, part: str, after: Any, maker: Maker, *, purge: bool = False, undoing: bool = False) -> None:
        """Make `after` the part, with everything that goes along; `maker` names the plan, the step and the apply that want it."""
        before = thing.parts.get(part)
        thing.halves.pop(part, None)
        if part == "power":
            self._switch(moment, thing, after)
        elif after is None:
            self._take_away(moment, thing, part, maker, purge=purge, undoing=undoing)
        elif before is None:
            self._bring(moment, thing, part, after, maker, undoing=undoing)
        else:
            thing.parts[part] = after
            self.note(moment, thing, "changed", part)
        self.measure()

    def _switch(self, moment: float, thing: Thing, after: str) -> None:
        thing.parts["power"] = after
        serves = after in {"running", "paused"}
        if serves != thing.serving:
            self.note(moment, thing, "up" if serves else "down", "machine")
        if after == "paused":
            self.note(moment, thing, "paused", "machine")
        thing.serving = serves

    def begin_stopping(self, moment: float, thing: Thing) -> None:
        """The guest shuts down: it serves nobody from now on, although its machine still runs."""
        if thing.serving:
            thing.serving = False
            self.note(moment, thing, "down", "machine")

    def go_on_serving(self, moment: float, thing: Thing) -> None:
        """The guest did not shut down after all."""
        if not thing.serving and thing.power in {"running", "paused"}:
            thing.serving = True
            self.note(moment, thing, "stayed up", "machine")

    def _take_away(self, moment: float, thing: Thing, part: str, maker: Maker, *, purge: bool, undoing: bool) -> None:
        body = thing.parts[part]
        stands_for_it = part == thing.body
        if part in DATA:
            # What an undone step made is empty until now, so nobody keeps it.
            self.note(moment, thing, "purged" if purge or undoing else "data goes", part)
            if not purge and not undoing:
                self.graves.append(Grave(thing.stack, thing.address, part, body, thing.identity[part], maker))
        self.note(moment, thing, "goes" if stands_for_it else "changed", part)
        del thing.parts[part]
        thing.identity.pop(part, None)
        if part == "machine":
            thing.parts.pop("power", None)

    def _bring(self, moment: float, thing: Thing, part: str, after: Any, maker: Maker, *, undoing: bool) -> None:
        identity = f"{part}-{next(self._numbers)}"
        if part in DATA and undoing:
            graves = [grave for grave in reversed(self.graves) if self._fits(grave, thing, part, after)]
            # A step brings back what it deleted itself, or what the step deleted that it takes back.
            graves = [grave for grave in graves if grave.maker == maker]
            if not graves:
                raise Gone(f"the data of {thing.address} is gone for good")
            grave = graves[0]
            self.graves.remove(grave)
            identity = grave.identity
        thing.parts[part], thing.identity[part] = after, identity
        if part in DATA:
            self.note(moment, thing, "data back" if undoing else "data made", part)
        if part == "machine":
            thing.parts["power"] = "stopped"
        self.note(moment, thing, "comes" if part == thing.body else "changed", part)

    @staticmethod
    def _fits(grave: Grave, thing: Thing, part: str, body: Mapping[str, Any]) -> bool:
        # The file of a root disk has its name from the sid of its VM, so it is found again whatever the VM is called by then.
        named = part == "disk" or grave.address == thing.address
        return named and (grave.stack, grave.part) == (thing.stack, part) and grave.body["path"] == body["path"]

    def rename(self, moment: float, stack: str, origin: str, target: str) -> None:
        """Give a thing another address."""
        old, new = self.things.get((stack, origin)), self.things.get((stack, target))
        if old is None or not old.parts:
            if new is None or not new.parts:
                raise Impossible(f"there is neither {origin} nor {target}")
            return
        if new is not None and new.parts:
            raise Impossible(f"{target} is there already")
        del self.things[(stack, origin)]
        old.address = target
        self.things[(stack, target)] = old
        if target.startswith("volume."):
            self._called[(stack, origin)] = target
        self.note(moment, old, "renamed", old.body or "")


def _require(holds: bool, why: str) -> None:  # noqa: FBT001  (it reads as a sentence)
    if not holds:
        raise Impossible(why)
