"""What a provider has begun to make and did not finish is seen by its observer, removed by a discard, and completed by making it again.

Every provider that is registered is asked, with the steps that a plan has for it; each is cut off at every point at which it can be.
"""

import contextlib
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from herocloud.kits import faults
from herocloud.model.errors import HerocloudError
from herocloud.model.hosts import Host, Slice
from herocloud.model.ids import StepId, slice_sid
from herocloud.model.plans import Plan
from herocloud.model.steps import KINDS, Step, beside, discard_kind
from herocloud.model.worlds import Observed, Recorded
from herocloud.plan import planner
from herocloud.plan.scope import PlanOptions
from herocloud.providers import drivers, registry
from herocloud.providers.seam import Declaration, Found, ProviderContext, Work
from herocloud.stack import load as stacks
from tests.providers.contract.first_line import PATHS
from tests.providers.network import ability

GIB = 1024**3
LINEAGE = "5d41402abc4b2a76b9719d911017c592"
STACK = """\
stack: shop
images: {{plain: {{source: {image}, format: raw, unpinned: true}}}}
networks: {{lan: {{cidr: 10.77.0.0/24, mode: {mode}, nat: true}}}}
volumes: {{data: {{size: 1 MiB}}}}
vms:
  web:
    image: plain
    memory: 1 GiB
    root_disk: {{size: 128 MiB}}
    networks: [lan]
    volumes: [data]
    user_data: {{text: "#cloud-config"}}
"""
BESIDE = {"disk.create": ("disk.prepare", "disk.new"), "seed.write": ("seed.prepare", "seed.new")}
"""What is made beside the part of a machine that runs, and no plan of a new one has."""
MOST = 60
"""More points than any step has."""
ELSEWHERE = {
    "disk.copy", "volume.copy", "snapshot.create",  # They need something to copy, and the parts are those of other kinds.
    "overlay.enable", "peer.add",  # Nothing is discarded of what a daemon knows: it is asked for again.
    "disk.place", "seed.place", "vm.boot", "vm.revive",  # They make no part.
}  # fmt: skip


class Bench:
    """One provider at work in a data folder of its own."""

    def __init__(self, name: str, folder: Path, plan: Plan, host: Host) -> None:
        self.name, self.folder, self.plan = name, folder, plan
        self.context = ProviderContext(folder, host)
        folder.mkdir(exist_ok=True)
        # What the state would say of itself.
        (folder / "state.lineage").write_text(f"{LINEAGE}\n", encoding="utf-8")
        self._specs = {change.address: change.after or {} for change in plan.changes}

    def steps(self) -> list[Step]:
        """Return the steps of this provider that make something of which there can be a half."""
        mine = [step for step in self.plan.steps if step.provider == self.name]
        made = [step for step in mine if step.before is None and step.after is not None and discard_kind(step.part)]
        more = [
            step._replace(id=StepId(f"{step.address}/{kind}"), kind=kind, part=part, after=beside(step.after))
            for step in made
            for kind, part in [BESIDE.get(step.kind, ("", ""))]
            if kind
        ]
        return [*made, *more]

    def work(self, step: Step) -> Work:
        return Work(step, self.plan.stack, self._specs[step.address], LINEAGE, self.plan.id, purge=True)

    def do(self, step: Step) -> None:
        with contextlib.closing(self.driver(step)) as driver:
            driver.perform(self.work(step))

    def probe(self, step: Step) -> Found:
        with contextlib.closing(self.driver(step)) as driver:
            return driver.probe(self.work(step)).found

    def driver(self, step: Step) -> Any:
        return drivers.open_driver(step.provider, KINDS[step.kind].role, self.context)

    def prepare(self, step: Step) -> None:
        """Make what a step needs of this very provider."""
        by_id = {one.id: one for one in self.plan.steps}
        for need in step.needs:
            if by_id[need].provider == self.name:
                self.prepare(by_id[need])
                self.do(by_id[need])

    def seen(self, step: Step) -> tuple[Any, Any]:
        """Return a part as the observer sees it, and its half."""
        observed = registry.find(self.name).observer(self.context).observe([self.plan.stack])
        thing = observed.things.get(self.plan.stack, {}).get(step.address)
        return (thing.parts.get(step.part), thing.halves.get(step.part)) if thing else (None, None)

    def machine_half(self, step: Step) -> Step | None:
        """Return what removes the folder of a VM in which nothing is yet: it is seen by hypervisors, whatever was to lie there."""
        for one in registry.declarations():
            if one.hypervisor is not None and one.simulation is None:
                observed = one.observer(self.context).observe([self.plan.stack])
                thing = observed.things.get(self.plan.stack, {}).get(step.address)
                if thing is not None and "machine" in thing.halves:
                    removed = step._replace(provider=one.name, part="machine")
                    return self.discard(removed, thing.halves["machine"])
        return None

    def files(self) -> set[str]:
        """Return every file below the data folder that says or holds something.

        Locks do not, nor does the one in which the simulator keeps all of its world, nor a draft that was not renamed: the next takes its
        place. A content of the store that is whole stays for the next time; `image prune` lists it.
        """
        found = [path for path in self.folder.rglob("*") if path.is_file() and path.parent.name != "locks"]
        drafts = [path for path in found if path.name.startswith(".") and path.name.endswith(".new")]
        kept = [path for path in found if path not in drafts and not path.name.endswith((".lock", ".db", ".db-wal", ".db-shm"))]
        stored = {path.with_suffix(".json") for path in kept if path.parent.name == "store"}
        whole = {path.stem for path in kept if path in stored}
        return {str(path.relative_to(self.folder)) for path in kept if not (path.parent.name == "store" and path.stem in whole)}

    def has_litter(self) -> bool:
        """Return whether a draft or an empty folder lies there, which says nothing and is taken over by the next try."""
        paths = list(self.folder.rglob("*"))
        return any(path.name.startswith(".") or (path.is_dir() and not any(path.iterdir())) for path in paths)

    def discard(self, step: Step, half: Any) -> Step:
        return self._removal(step, str(discard_kind(step.part)), half)

    def delete(self, step: Step) -> Step:
        return self._removal(step, KINDS[step.kind].inverse, step.after)

    @staticmethod
    def _removal(step: Step, kind: str, before: Any) -> Step:
        return step._replace(id=StepId(f"{step.address}/{kind}"), kind=kind, before=before, after=None)


def _fail(bench: Bench, step: Step, number: int) -> bool:
    """Let the step fail at a point; tells whether it has that many."""
    faults._rules, faults._counts = {"*": (number, "enospc")}, {}
    try:
        bench.do(step)
    except (HerocloudError, OSError):
        return True
    finally:
        faults._rules, faults._counts = {}, {}
    return False


def _kill(bench: Bench, step: Step, number: int) -> bool:
    """Let a process of its own be killed at a point of the step."""
    child = os.fork()
    if child == 0:
        faults._rules, faults._counts = {"*": (number, "kill")}, {}
        with contextlib.suppress(BaseException):
            bench.do(step)
            os._exit(0)
        os._exit(1)
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, f"{step.id} failed without being cut off"
    return os.WIFSIGNALED(status)


def _in_a_namespace(body: Callable[[], None]) -> None:
    """Run a function in a thread with a network namespace of its own, which goes with it."""
    import ctypes

    failed: list[BaseException] = []

    def run() -> None:
        try:
            # CLONE_NEWNET: of this thread alone.
            assert ctypes.CDLL(None).unshare(0x40000000) == 0, "no network namespace"
            body()
        except BaseException as error:  # noqa: BLE001  (it is raised where the test waits)
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]


@pytest.fixture(autouse=True)
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the stand-in for Cloud Hypervisor where programs are looked for: nothing here is booted."""
    folder = Path(__file__).parent.parent / "cloud_hypervisor" / "stand_in"
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


@pytest.fixture
def host() -> Host:
    slices = tuple(Slice(slice_sid(number), 4 * GIB, 100 * GIB) for number in range(1, 4))
    return Host("node1", 64 * GIB, 800 * GIB, 800 * GIB, 8, slices, image_share=1.0, image_keep_free=0)


@pytest.fixture
def make_bench(tmp_path: Path, host: Host) -> Callable[[Declaration, str], Bench]:
    """Return a maker of a bench with the plan of a stack that this provider takes part in."""

    def make(declaration: Declaration, folder: str) -> Bench:
        image = tmp_path / "disk.raw"
        image.write_bytes(bytes(1024**2))
        path = tmp_path / "stack.yaml"
        hypervisor = declaration.name if declaration.hypervisor else "qemu"
        mode = declaration.network.mode if declaration.network and not declaration.simulation else "bridge"
        path.write_text(STACK.format(image=image, mode=mode), encoding="utf-8")
        loaded = stacks.load([str(path)], host=host)
        assert loaded.desired is not None, loaded.diagnostics
        # The file cannot name it: which names it may have was settled when the first stack of this process was read.
        plan = planner.plan(loaded.desired, Recorded(), Observed(), host, PlanOptions(hypervisor=hypervisor))
        assert not plan.errored, plan.diagnostics
        return Bench(declaration.name, tmp_path / folder, plan, host)

    return make


WAYS = {"fails": _fail, "is killed": _kill}


@pytest.fixture(params=WAYS)
def cut(request: pytest.FixtureRequest) -> Callable[[Bench, Step, int], bool]:
    return WAYS[str(request.param)]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.rpartition(".")[2])
def test_what_is_cut_off_is_seen_removed_and_completed(
    path: str, cut: Callable[[Bench, Step, int], bool], make_bench: Callable[[Declaration, str], Bench]
) -> None:
    declaration = next(one for one, line in zip(registry.declarations(), PATHS, strict=True) if line == path)
    bench = make_bench(declaration, "data")
    if not bench.steps():
        pytest.skip("makes nothing of which there are halves")
    standing = declaration.survey(bench.context, thorough=False)
    if not standing.usable:
        pytest.skip(standing.why)
    own_links = declaration.network is not None and not declaration.simulation and declaration.network.mode == "bridge"
    if own_links and (lacking := ability.missing()):
        pytest.skip(lacking)
    for number, step in enumerate(bench.steps()):
        one = make_bench(declaration, f"data-{number}")
        body = lambda one=one, step=step: _judge(one, step, cut)  # noqa: E731
        _in_a_namespace(body) if own_links else body()


def _judge(bench: Bench, step: Step, cut: Callable[[Bench, Step, int], bool]) -> None:
    bench.prepare(step)
    before = bench.files()
    for number in range(1, MOST):
        where = f"{step.id}, cut off at point {number}"
        if not cut(bench, step, number):
            assert number > 2, f"{step.id} has points at which it can be cut off"
            assert bench.seen(step)[0] is not None or bench.name == "dictionary"
            return
        part, half = bench.seen(step)
        if part is None and half is None and (folder := bench.machine_half(step)) is not None:
            bench.do(folder)
            assert bench.probe(folder) is Found.DONE, where
        elif part is None and half is None:
            began = bench.probe(step) is Found.PARTIAL and bench.has_litter()
            assert began or bench.probe(step) is Found.NOT_STARTED, f"{where}: nothing is seen of what is there"
        elif part is None:
            bench.do(bench.discard(step, half))
            assert bench.probe(bench.discard(step, half)) is Found.DONE, where
        else:
            bench.do(bench.delete(step))
        assert bench.seen(step) == (None, None), where
        assert bench.files() <= before, f"{where}: {sorted(bench.files() - before)} is left"

        # Where a content stayed in the store, there are fewer points on the way.
        cut(bench, step, number)
        bench.do(step)
        assert bench.seen(step)[0] is not None, where
        assert bench.seen(step)[1] is None, where
        assert bench.probe(step) is Found.DONE, where
        bench.do(bench.delete(step))
        assert bench.files() <= before, f"{where}, and completed: {sorted(bench.files() - before)} is left"
    pytest.fail(f"{step.id} never came to its end")


def test_every_kind_of_step_that_makes_something_is_cut_off_or_stands_elsewhere(
    make_bench: Callable[[Declaration, str], Bench],
) -> None:
    making = {kind for kind, info in KINDS.items() if KINDS[info.inverse].removes and not info.passes and not info.removes}
    struck = {step.kind for one in registry.declarations() for step in make_bench(one, "data").steps()}
    assert making - struck == ELSEWHERE
