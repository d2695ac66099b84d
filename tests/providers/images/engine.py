"""The real engine over the real provider, with machines that are only pretended: what a hypervisor provider will find under its feet.

The pretended hypervisor keeps the parts of its machines in a file, so that they outlive a killed process, and looks at nothing else.
"""

import json
import os
import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from herocloud.apply import executor
from herocloud.apply.steering import Options
from herocloud.kits import faults
from herocloud.model.hosts import Host, Slice
from herocloud.model.ids import Address, StackName, slice_sid
from herocloud.model.plans import Plan
from herocloud.model.worlds import Observed, Thing
from herocloud.observe import observer
from herocloud.plan import planner
from herocloud.plan.scope import PlanOptions
from herocloud.providers import ownership
from herocloud.providers.images import driving, observing
from herocloud.providers.seam import AttachmentKind, Declaration, Found, HypervisorRole, Probe, Standing, Work
from herocloud.providers.simulator import planning as costs
from herocloud.stack import load as stacks
from herocloud.state import creation
from herocloud.state import store as states

GIB = 1024**3
NAME = "pretended"


class Machines:
    """A hypervisor that runs nothing."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "machines.json"
        self.lock = threading.Lock()

    def read(self) -> dict[str, dict[str, Any]]:
        return json.loads(self.file.read_text()) if self.file.exists() else {}

    def _write(self, things: dict[str, dict[str, Any]]) -> None:
        draft = self.file.with_suffix(".new")
        draft.write_text(json.dumps({address: parts for address, parts in things.items() if parts}))
        draft.rename(self.file)

    def perform(self, work: Work) -> Any:
        with self.lock:
            return self._perform(work)

    def _perform(self, work: Work) -> Any:
        step, things = work.step, self.read()
        if step.kind == "vm.move":
            things[step.after["address"]] = things.pop(step.before["address"], things.get(step.after["address"]))
            ownership.rename(self.folder / "vms" / work.spec["sid"], step.after["address"])
        elif step.kind == "vm.grow":
            os.truncate(self.folder / step.after["path"], step.after["size"])
        else:
            self._put(things.setdefault(step.address, {}), step.part, step.after)
        self._write(things)
        return step.after

    def _put(self, parts: dict[str, Any], part: str, value: Any) -> None:
        if part == "machine":
            parts.pop("power", None) if value is None else parts.setdefault("power", "stopped")
        if value is None:
            parts.pop(part, None)
        else:
            parts[part] = value

    def probe(self, work: Work) -> Probe:
        step, things = work.step, self.read()
        if step.kind == "vm.move":
            return Probe(Found.DONE if step.after["address"] in things else Found.NOT_STARTED)
        if step.kind == "vm.grow":
            size = (self.folder / step.after["path"]).stat().st_size
            return Probe(Found.DONE if size == step.after["size"] else Found.NOT_STARTED)
        current = things.get(step.address, {}).get(step.part)
        return Probe(Found.DONE if current == step.after else Found.NOT_STARTED)

    def undo(self, work: Work) -> None:
        step = work.step
        self.perform(work._replace(step=step._replace(before=step.after, after=step.before)))

    def close(self) -> None:
        """Nothing is open."""

    def observe(self, _stacks: Iterable[StackName] | None) -> Observed:
        shop = StackName("shop")
        things = {Address(address): Thing(shop, Address(address), NAME, parts) for address, parts in self.read().items()}
        return Observed({shop: things} if things else {})


DECLARATION = Declaration(
    name=NAME,
    observer=lambda context: Machines(context.folder),
    driver=lambda context: Machines(context.folder),
    survey=lambda _context, *, thorough: Standing(True, "ready" if thorough else ""),
    hypervisor=HypervisorRole(planning=lambda: costs, attaches=frozenset(AttachmentKind)),
)


def lines() -> list[str]:
    """Return lines of a registry in which the pretended hypervisor is the one that is not simulated."""
    sys.modules[NAME] = sys.modules[__name__]
    return [NAME, *(f"herocloud.providers.{name}" for name in ("images", "network", "user_network", "mycelium", "simulator"))]


class Site:
    """A data folder with state, images and pretended machines, and a stack in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        slices = tuple(Slice(slice_sid(number), 4 * GIB, 100 * GIB) for number in range(1, 9))
        self.host = Host("node1", 64 * GIB, 800 * GIB, 800 * GIB, 8, slices, image_share=1.0, image_keep_free=0)
        self.machines = Machines(folder)
        self.images = driving.ImagesDriver(folder, self.host, environment=os.environ)

    def driver(self, name: str, role: str) -> Any:
        return {(NAME, "hypervisor"): self.machines, (NAME, "guest"): self.machines, ("images", "images"): self.images}[name, role]

    def look(self) -> Observed:
        return observer.merge([observing.ImagesObserver(self.folder).observe(None), self.machines.observe(None)])

    def plan(self, text: str, **options: Any) -> Plan:
        path = self.folder / "stack.yaml"
        path.write_text(text)
        key = creation.load_key(self.folder, create=True)
        loaded = stacks.load([str(path)], host=self.host, environment=dict(os.environ), secret_key=key)
        assert loaded.desired is not None, loaded.diagnostics
        plan = planner.plan(loaded.desired, states.read_recorded(self.folder), self.look(), self.host, PlanOptions(**options))
        assert not plan.errored, plan.diagnostics
        return plan

    def changes(self, text: str) -> list[str]:
        """Say what planning the stack again would change."""
        return [f"{change.address} {change.action.value}" for change in self.plan(text).changing]

    def execute(self, plan: Plan, **options: Any) -> Any:
        with states.open_state(self.folder, write=True) as store:  # type: ignore[union-attr]
            return executor.execute(plan, store, self.driver, options=Options(parallelism=4, **options), tell=lambda _event: None)

    def apply(self, text: str, **options: Any) -> None:
        result = self.execute(self.plan(text), **options)
        assert not result.failed, result

    def apply_until(self, text: str, point: str) -> bool:
        """Apply in a process that dies at a point; tells whether it did."""
        plan = self.plan(text)
        pid = os.fork()
        if pid == 0:
            name, number = point.rsplit(":", 1)
            faults._rules[name] = (int(number), "kill")
            faults._counts.clear()
            try:
                self.execute(plan)
            finally:
                os._exit(0)
        _, ended = os.waitpid(pid, 0)
        return os.WIFSIGNALED(ended)

    def resume(self, *, rollback: bool = False) -> Any:
        with states.open_state(self.folder, write=True) as store:  # type: ignore[union-attr]
            result = executor.resume(store, self.driver, options=Options(), tell=lambda _event: None, rollback=rollback)
        assert not result.failed, result
        return result

    def names(self) -> list[str]:
        """Name what the provider has made, without what differs between two runs that did the same."""
        folders = ("images", "vms", "volumes", "tombstones")
        found = [str(path.relative_to(self.folder)) for name in folders for path in (self.folder / name).rglob("*") if path.is_file()]
        return sorted(name for name in found if not name.startswith(("images/locks", "tombstones/")))
