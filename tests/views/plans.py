"""Plans to look at: one of everything that a view has to show.

They are written out and not made by the planner, so that a view's tests say what it does with a plan and nothing else.
"""

from collections.abc import Mapping
from typing import Any

from herocloud.model.diagnostics import Diagnostic, Place
from herocloud.model.ids import Address, PlanId, Sid, StackName, StepId
from herocloud.model.outcomes import Outcome, Result
from herocloud.model.plans import Capacity, Change, Drift, Fact, FieldDiff, Level, Plan
from herocloud.model.steps import Claim, Step, expected_seconds
from herocloud.model.words import Action, Impact, Reason, Severity, Status

GIB = 1024**3
NO_LEVEL = Level(0, 0, 0, None)
EMPTY = Capacity(
    Level(2, 2, 2, 7),
    Level(8 * GIB, 8 * GIB, 8 * GIB, None),
    Level(4, 4, 4, 64),
    Level(120 * GIB, 120 * GIB, 120 * GIB, None),
    NO_LEVEL,
    NO_LEVEL,
    NO_LEVEL,
)
MIXED = Capacity(
    slices=Level(2, 4, 3, 7),
    memory=Level(8 * GIB, 15 * GIB, 15 * GIB, None),
    vcpus=Level(4, 9, 9, 64),
    disk=Level(120 * GIB, 160 * GIB, 160 * GIB, int(1.9 * 1024**4)),
    network=Level(0, 12_500_000, 12_500_000, 2_500_000_000),
    disk_io=NO_LEVEL,
    hugepages=NO_LEVEL,
)


def vm_spec(**changed: Any) -> dict[str, Any]:
    """Return the target of a VM with every value decided, as the planner leaves it."""
    spec: dict[str, Any] = {
        "hypervisor": "simulator",
        "image": "debian12",
        "slices": ["s1"],
        "vcpus": 1,
        "memory": 4 * GIB,
        "cpu": {"max": None, "affinity": None, "topology": None},
        "memory_options": {"hugepages": False, "mergeable": False, "hotplug": None},
        "root_disk": {"size": 10 * GIB, "direct": False, "rate": None},
        "volumes": [],
        "shares": [],
        "networks": [{"network": "lan", "rate": None, "address": "10.42.0.2", "mac": "52:54:00:00:00:02"}],
        "mycelium": None,
        "ssh_keys": ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE admin"],
        "user_data": None,
        "env": {},
        "labels": {},
        "secrets": {},
        "restart": "no",
        "state": "running",
    }
    return {**spec, **changed}


def create(address: str = "vm.web[0]", **changed: Any) -> Change:
    """Return a VM that is made."""
    return Change(
        Address(address), "vm", Action.CREATE, Reason.NOT_RECORDED, Impact.NONE, "simulator", None, vm_spec(**changed), sid=Sid("v1")
    )


def update(address: str = "vm.db") -> Change:
    """Return a VM that is changed while it runs, in three fields."""
    before = vm_spec(memory=4 * GIB, labels={"tier": "data"})
    after = vm_spec(memory=7 * GIB, labels={"tier": "store"}, volumes=[{"volume": "pgdata", "readonly": False}])
    fields = (
        FieldDiff("memory", 4 * GIB, 7 * GIB),
        FieldDiff("volumes", [], [{"volume": "pgdata", "readonly": False}]),
        FieldDiff("labels.tier", "data", "store", drift=True),
    )
    return Change(Address(address), "vm", Action.UPDATE, Reason.FIELDS_CHANGED, Impact.LIVE, "simulator", before, after, fields)


def reboot(address: str = "vm.cache") -> Change:
    """Return a VM that has to be power-cycled."""
    before, after = vm_spec(cpu={"max": 4}), vm_spec(cpu={"max": 8})
    fields = (FieldDiff("cpu.max", 4, 8, Impact.REBOOT, "needs a power-cycle"),)
    return Change(
        Address(address), "vm", Action.REBOOT, Reason.NEEDS_POWER_CYCLE, Impact.REBOOT, "simulator", before, after, fields, downtime=12.0
    )


def replace(address: str = "vm.old") -> Change:
    """Return a VM that is re-created and loses its root disk."""
    fields = (FieldDiff("image", "debian11", "debian12", Impact.DATA, "root disk is destroyed"),)
    return Change(
        Address(address), "vm", Action.REPLACE, Reason.IMAGE_CHANGED, Impact.DATA, "simulator", vm_spec(image="debian11"), vm_spec(), fields
    )


def delete(address: str = "volume.scratch", *, protected: bool = False) -> Change:
    """Return a volume that is deleted, or that protection keeps."""
    return Change(
        Address(address), "volume", Action.DELETE, Reason.GONE_FROM_FILE, Impact.DATA, "simulator", {"size": 20 * GIB}, None,
        protected=protected, note="20 GiB of data is kept for 7 days",
    )  # fmt: skip


def move() -> Change:
    """Return a VM that only gets another name."""
    return Change(
        Address("vm.web"),
        "vm",
        Action.MOVE,
        Reason.MOVED,
        Impact.NONE,
        "simulator",
        vm_spec(),
        vm_spec(),
        previous_address=Address("vm.www"),
    )


def secret_update() -> Change:
    """Return a VM whose user data and secret changed."""
    before = vm_spec(user_data="#cloud-config\npassword: hunter2\n", secrets={"db": {"env": "DB", "digest": "aa11"}})
    after = vm_spec(user_data="#cloud-config\npassword: hunter3\n", secrets={"db": {"env": "DB", "digest": "bb22"}})
    fields = (
        FieldDiff("user_data", before["user_data"], after["user_data"], Impact.DATA, "root disk is destroyed"),
        FieldDiff("secrets.db", before["secrets"]["db"], after["secrets"]["db"], sensitive=True),
    )
    return Change(Address("vm.web[1]"), "vm", Action.REPLACE, Reason.NEEDS_REPLACEMENT, Impact.DATA, "simulator", before, after, fields)


def steps_of(change: Change) -> tuple[Step, ...]:
    """Return steps that a planner might write for it."""
    kinds = {
        Action.CREATE: ("disk.create", "tap.create", "vm.create", "vm.boot"),
        Action.UPDATE: ("vm.resize",),
        Action.REBOOT: ("vm.stop", "vm.configure", "vm.boot"),
        Action.REPLACE: ("vm.stop", "vm.delete", "disk.delete", "disk.create", "vm.create", "vm.boot"),
        Action.DELETE: ("volume.delete",),
    }.get(change.action, ("record.write",))
    found: list[Step] = []
    for kind in kinds:
        step_id = StepId(f"{change.address}/{kind}")
        needs = (found[-1].id,) if found else ()
        last = kind == kinds[-1]
        facts = (f"record:{change.address}",)
        step = Step(step_id, change.address, kind, change.provider, "machine", None, {}, needs, facts, takes=Claim(), last=last)
        found.append(step._replace(seconds=expected_seconds(step)))
    return tuple(found)


def plan(*changes: Change, **changed: Any) -> Plan:
    """Return a plan of these changes, with steps, facts and a proof."""
    steps = tuple(step for change in changes for step in steps_of(change))
    facts = tuple(Fact(f"record:{change.address}", "0123456789abcdef", f"{change.address} as recorded") for change in changes)
    values: dict[str, Any] = {
        "id": PlanId("p3f9a1c2d4e5f607"),
        "stack": StackName("shop"),
        "operation": "apply",
        "lineage": "l1",
        "host": "node1",
        "changes": changes,
        "steps": steps,
        "capacity": MIXED if changes else EMPTY,
        "facts": facts,
        "diagnostics": (),
        "slices_free": 5,
        "slices_total": 7,
        "critical_seconds": 40.0,
    }
    return Plan(**{**values, **changed})


def example() -> Plan:
    """Return the plan that `docs/cli.md` shows: one of each action."""
    live = update()._replace(fields=(FieldDiff("memory", 4 * GIB, 7 * GIB),))
    return plan(delete(), create(), live, reboot(), replace())


def everything() -> Plan:
    """Return a plan with all that a view may meet: moves, drift, a block, outputs, a warning."""
    drift = (
        Drift(Address("vm.db"), "vm", "machine", {"memory": 4 * GIB, "vcpus": 2}, {"memory": 2 * GIB, "vcpus": 2}),
        Drift(Address("vm.lost"), "vm", "machine", {"vcpus": 1}, None),
    )
    outputs: Mapping[str, Any] = {"front": "10.42.0.2", "zone": "b"}
    return plan(
        delete(), create(), update(), reboot(), replace(), move(), secret_update(), delete("volume.pgdata", protected=True),
        drift=drift, outputs=outputs, outputs_before={"zone": "a", "gone": 1}, diagnostics=(warning(),), complete=False,
    )  # fmt: skip


def failing() -> Plan:
    """Return a plan that does not fit."""
    too_much = MIXED._replace(slices=Level(2, 9, 9, 7))
    return plan(create(), create("vm.web[1]"), capacity=too_much, diagnostics=(does_not_fit(),))


def many(number: int) -> Plan:
    """Return a plan of this many VMs, half of them new and half changed."""
    changes = [create(f"vm.web[{i}]", slices=[f"s{i}"]) if i % 2 else update(f"vm.web[{i}]") for i in range(number)]
    return plan(*changes)


def warning() -> Diagnostic:
    """Return a warning with a place."""
    return Diagnostic(
        "unpinned-image", "image without a checksum", "`debian12` may change under the same address.", Severity.WARNING,
        "image.debian12", Place("stack.yaml", 12, 5, 12, 13), "    unpinned: true", "add `sha256:`",
    )  # fmt: skip


def mistake() -> Diagnostic:
    """Return an error with a place and a hint."""
    return Diagnostic(
        "unknown-key", "unknown key", "`vcpu` is not a key of a VM.", Severity.ERROR, "vm.web",
        Place("stack.yaml", 31, 5, 31, 9), "    vcpu: 4", "did you mean `vcpus`?",
    )  # fmt: skip


def does_not_fit() -> Diagnostic:
    """Return an error of the capacity proof, which has no place in a file."""
    return Diagnostic(
        "does-not-fit", "the host is too small",
        "9 slices are needed at the worst moment and the host has 7.\nWithout `vm.web[0]` and `vm.web[1]` it fits.",
        address="vm.web[1]", hint="make the VMs smaller, or add memory",
    )  # fmt: skip


def done(plan: Plan, *, seconds: float = 41.2) -> Result:
    """Return the result of an apply in which every step went well."""
    outcomes = tuple(Outcome(step.id, step.address, step.kind, Status.DONE, float(i), i + 1.0) for i, step in enumerate(plan.steps))
    return Result(plan.id, outcomes, seconds)


def partly(plan: Plan) -> Result:
    """Return the result of an apply in which `vm.cache` failed and `vm.old` waited for it."""
    outcomes = []
    for i, step in enumerate(plan.steps):
        outcome = Outcome(step.id, step.address, step.kind, Status.DONE, float(i), i + 1.0)
        if step.kind == "vm.configure":
            outcome = outcome._replace(status=Status.FAILED, error="the hypervisor refused the configuration\nHTTP 400")
        elif step.id == "vm.cache/vm.boot":
            outcome = outcome._replace(status=Status.SKIPPED, skipped_because=StepId("vm.cache/vm.configure"))
        elif step.address == "vm.old":
            # Skipped because of a step that was itself skipped: the cause is found behind it.
            outcome = outcome._replace(status=Status.SKIPPED, skipped_because=StepId("vm.cache/vm.boot"))
        outcomes.append(outcome)
    return Result(plan.id, tuple(outcomes), 12.3, notes=("a stale lock of process 41 was taken over",))


def cut_short(plan: Plan) -> Result:
    """Return the result of an apply that was interrupted after five steps."""
    return done(plan, seconds=12.3)._replace(outcomes=done(plan).outcomes[:5], interrupted=True)
