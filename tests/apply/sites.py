"""A data folder with the real state, the planner and the simulator, put together as the command line does, without a command line."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from herocloud.apply import executor
from herocloud.apply.steering import Interrupts, Options
from herocloud.model import ids
from herocloud.model.hosts import Host, Slice, Uplink
from herocloud.model.outcomes import Event, Result
from herocloud.model.plans import Plan
from herocloud.model.worlds import Desired, Observed, Recorded
from herocloud.plan import overlay_keys, planner
from herocloud.plan.scope import PlanOptions
from herocloud.providers import registry
from herocloud.providers.drivers import Drivers
from herocloud.providers.seam import ProviderContext
from herocloud.providers.simulator import world
from herocloud.stack import load as stacks
from herocloud.state import store as states
from herocloud.state.store import Store

GIB = 1024**3


class Site:
    """A data folder with the real state and the simulator, and a stack in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        numbers = (ids.slice_sid(number) for number in range(1, 64))
        slices = tuple(Slice(sid, 4 * GIB, 130 * GIB) for sid in numbers)
        self.host = Host("node1", 256 * GIB, 8192 * GIB, 8192 * GIB, 64, slices, uplink=Uplink("eth0", 1_250_000_000), simulated=True)
        self.events: list[Event] = []
        self.interrupts = Interrupts()

    def context(self) -> ProviderContext:
        scenario = self.folder / "scenario.yaml"
        return ProviderContext(self.folder, self.host, {"simulator": {"scenario": scenario}} if scenario.exists() else {})

    def misbehave(self, *rules: str) -> None:
        (self.folder / "scenario.yaml").write_text("seed: 7\nrules:\n" + "".join(f"  - {rule}\n" for rule in rules))

    def behave(self) -> None:
        (self.folder / "scenario.yaml").unlink(missing_ok=True)

    def desire(self, text: str) -> Desired:
        path = self.folder / "stack.yaml"
        path.write_text(text)
        loaded = stacks.load([str(path)], host=self.host)
        assert loaded.desired is not None, loaded.diagnostics
        return loaded.desired

    def host_for(self, desired: Desired) -> Host:
        """Return the host with the keys of the overlay looked up that a stack needs."""
        wanted = overlay_keys.wanted_keys(desired, self.recorded().records.get(desired.stack, {}))
        role = registry.find(registry.usual("overlay")).overlay
        assert role is not None
        assert role.keys is not None
        return self.host._replace(overlay_keys=tuple(sorted(role.keys(self.context(), wanted, {}).items())))

    def look(self) -> Observed:
        return registry.find("simulator").observer(self.context()).observe(None)

    def recorded(self) -> Recorded:
        return states.read_recorded(self.folder)

    def plan(self, text: str, **options: Any) -> Plan:
        desired = self.desire(text)
        plan = planner.plan(desired, self.recorded(), self.look(), self.host_for(desired), PlanOptions(**options))
        assert not plan.errored, plan.diagnostics
        return plan

    def changes(self, text: str) -> list[str]:
        """What planning the stack again would change."""
        return [f"{change.address} {change.action.value}" for change in self.plan(text).changing]

    @contextmanager
    def store(self) -> Iterator[Store]:
        opened = states.open_state(self.folder, write=True)
        assert opened is not None
        with opened:
            yield opened

    def run(self, plan: Plan, **options: Any) -> Result:
        """Execute a plan."""
        undoes = options.pop("undoes", None)
        drivers = Drivers(self.context())
        try:
            with self.store() as store:
                chosen = Options(**options)
                return executor.execute(
                    plan, store, drivers, options=chosen, tell=self.events.append, interrupts=self.interrupts, undoes=undoes
                )
        finally:
            drivers.close()

    def apply(self, text: str, **options: Any) -> Result:
        """Plan and execute; it must succeed."""
        result = self.run(self.plan(text), **options)
        assert not result.failed, result
        return result

    def resume(self, *, rollback: bool = False, **options: Any) -> Result:
        drivers = Drivers(self.context())
        try:
            with self.store() as store:
                chosen = Options(**options)
                return executor.resume(
                    store, drivers, options=chosen, tell=self.events.append, interrupts=self.interrupts, rollback=rollback
                )
        finally:
            drivers.close()

    def everything(self) -> tuple[Any, ...]:
        """The world with its data, and the records, for comparing whole before with whole after."""
        return world.snapshot(self.folder), self.recorded().records


SHOP = """\
stack: shop
images:
  debian: {source: "https://example.org/d.qcow2", unpinned: true, format: qcow2}
networks:
  lan: {cidr: 10.42.0.0/24}
volumes:
  data: {size: 20 GiB}
vms:
  web: {count: 2, image: debian, networks: [lan], memory: 2 GiB}
  db: {image: debian, networks: [lan], volumes: [{volume: data}], memory: 4 GiB, vcpus: 2, cpu: {max: 4}}
"""
