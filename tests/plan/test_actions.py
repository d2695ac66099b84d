"""What each change of a field costs, and the steps it takes."""

import pytest

from herocloud.model.words import Action, Impact, Reason

GIB = 1024**3
NO_HOTPLUG = {"hugepages": False, "mergeable": False, "hotplug": 0}
DISK = {"size": 10 * GIB, "direct": False, "rate": None}

LIVE = [
    ("more vCPUs below the maximum", {}, {"vcpus": 3}, ["vm.resize"]),
    ("fewer vCPUs", {"vcpus": 4}, {"vcpus": 2}, ["vm.resize"]),
    ("more memory within the slices", {"memory": GIB}, {"memory": 3 * GIB}, ["vm.resize"]),
    ("labels", {}, {"labels": {"tier": "data"}}, ["vm.update"]),
    ("the restart policy", {}, {"restart": "always"}, ["vm.update"]),
    ("a larger root disk", {}, {"root_disk": {**DISK, "size": 20 * GIB}}, ["vm.grow"]),
    ("one more network", {"networks": ["lan"]}, {"networks": ["lan", "dmz"]}, ["seed.write", "tap.create", "vm.attach"]),
    ("one network less", {"networks": ["lan", "dmz"]}, {"networks": ["dmz"]}, ["seed.write", "vm.detach", "tap.delete"]),
    (
        "a network's rate",
        {"networks": ["lan"]},
        {"networks": [{"network": "lan", "rate": {"download": 1000, "upload": None}}]},
        ["tap.update"],
    ),
    ("an overlay address", {}, {"mycelium": {"seed": "010203040506"}}, ["seed.write", "tap.create", "vm.attach"]),
    ("one more volume", {}, {"volumes": ["data"]}, ["vm.attach"]),
    ("a volume made read-only", {"volumes": ["data"]}, {"volumes": [{"volume": "data", "readonly": True}]}, ["vm.detach", "vm.attach"]),
    ("one more slice with the same memory", {"memory": GIB}, {"memory": GIB, "slices": 2}, ["record.write"]),
]
STOP = [
    ("stopping", {}, {"state": "stopped"}, ["vm.stop"]),
    ("pausing", {}, {"state": "paused"}, ["vm.pause"]),
    ("stopping what would need a power cycle", {}, {"state": "stopped", "vcpus": 6}, ["vm.stop", "vm.configure"]),
]
REBOOT = [
    ("vCPUs above the maximum", {}, {"vcpus": 6}, ["vm.stop", "vm.configure", "vm.boot"]),
    ("the largest number of vCPUs", {}, {"cpu": {"max": 8, "affinity": None, "topology": None}}, ["vm.stop", "vm.configure", "vm.boot"]),
    (
        "memory beyond its room",
        {"memory": GIB, "memory_options": NO_HOTPLUG},
        {"memory": 2 * GIB, "memory_options": NO_HOTPLUG},
        ["vm.stop", "vm.configure", "vm.boot"],
    ),
    ("memory below what it booted with", {}, {"memory": 2 * GIB}, ["vm.stop", "vm.configure", "vm.boot"]),
    ("hugepages", {}, {"memory_options": {**NO_HOTPLUG, "hotplug": None, "hugepages": True}}, ["vm.stop", "vm.configure", "vm.boot"]),
    ("an ssh key", {}, {"ssh_keys": ["ssh-ed25519 AAAA"]}, ["seed.prepare", "vm.stop", "seed.place", "vm.configure", "vm.boot"]),
    ("a shared folder", {}, {"shares": [{"path": "/srv", "tag": "web"}]}, ["vm.stop", "vm.configure", "vm.boot"]),
    ("a root disk without the page cache", {}, {"root_disk": {**DISK, "direct": True}}, ["vm.stop", "vm.configure", "vm.boot"]),
]
REPLACE = [
    *("disk.prepare", "seed.prepare"),
    *("vm.stop", "vm.delete", "seed.delete", "disk.delete", "disk.place", "seed.place", "vm.create", "vm.boot"),
]


def _change(build, pretend, first, second):
    host = build.host(8)
    around = [build.image(), build.network(), build.network("dmz", cidr="10.43.0.0/24"), build.volume()]
    before = build.desired(*around, build.vm("web", **first))
    world = pretend.run(pretend.World(), pretend.World().plan(before, host), host)
    plan = world.plan(build.desired(*around, build.vm("web", **{**first, **second})), host)
    [change] = [change for change in plan.changing if change.address == "vm.web"]
    return change, [step.kind for step in plan.steps if step.address == "vm.web"]


@pytest.mark.parametrize(("first", "second", "kinds"), [row[1:] for row in LIVE], ids=[row[0] for row in LIVE])
def test_changes_live(build, pretend, first, second, kinds) -> None:
    change, steps = _change(build, pretend, first, second)
    assert (change.action, change.reason, change.impact) == (
        Action.UPDATE,
        Reason.FIELDS_CHANGED,
        Impact.NONE if kinds == ["record.write"] else Impact.LIVE,
    )
    assert steps == kinds


@pytest.mark.parametrize(("first", "second", "kinds"), [row[1:] for row in STOP], ids=[row[0] for row in STOP])
def test_what_leaves_a_machine_down_is_a_stop(build, pretend, first, second, kinds) -> None:
    change, steps = _change(build, pretend, first, second)
    assert (change.action, change.reason, change.impact, change.downtime) == (Action.STOP, Reason.FIELDS_CHANGED, Impact.STOP, None)
    assert steps == kinds


@pytest.mark.parametrize(("first", "second", "kinds"), [row[1:] for row in REBOOT], ids=[row[0] for row in REBOOT])
def test_needs_a_power_cycle(build, pretend, first, second, kinds) -> None:
    change, steps = _change(build, pretend, first, second)
    assert (change.action, change.reason, change.impact) == (Action.REBOOT, Reason.NEEDS_POWER_CYCLE, Impact.REBOOT)
    assert steps == kinds
    assert any("power-cycle" in field.why for field in change.fields)
    assert change.downtime > 5


@pytest.mark.parametrize(("first", "second", "kinds"), [row[1:] for row in REBOOT], ids=[row[0] for row in REBOOT])
def test_a_stopped_machine_pays_no_downtime(build, pretend, first, second, kinds) -> None:
    change, steps = _change(build, pretend, {**first, "state": "stopped"}, second)
    assert (change.action, change.impact) == (Action.UPDATE, Impact.LIVE)
    assert not [field.why for field in change.fields if "power-cycle" in field.why or field.impact > Impact.LIVE]
    # Nothing is interrupted, so nothing has to be prepared beside it either.
    written = ["seed.write" if kind == "seed.place" else kind for kind in kinds]
    assert steps == [kind for kind in written if kind not in {"vm.stop", "vm.boot", "seed.prepare"}]


@pytest.mark.parametrize("second", [{"ssh_keys": ["ssh-ed25519 AAAA"]}, {"env": {"A": "1"}}, {"user_data": "#cloud-config"}])
def test_what_no_seed_carries_is_not_promised_to_the_guest(build, pretend, second) -> None:
    host = build.host(8)
    running = pretend.run(pretend.World(), pretend.World().plan(build.desired(build.kernel(), build.vm("web", image="tiny")), host), host)
    plan = running.plan(build.desired(build.kernel(), build.vm("web", image="tiny", **second)), host)
    [change] = plan.changing
    assert (change.action, [step.kind for step in plan.steps]) == (Action.UPDATE, ["record.write"])
    assert {field.why for field in change.fields} == {"is not delivered: the image takes no seed"}


@pytest.mark.parametrize(
    ("first", "second", "reason", "why"),
    [
        pytest.param(
            {},
            {"root_disk": {**DISK, "size": 5 * GIB}},
            Reason.NEEDS_REPLACEMENT,
            "a disk cannot shrink: root disk is destroyed",
            id="a smaller root disk",
        ),
        pytest.param({}, {"image": "other"}, Reason.IMAGE_CHANGED, "root disk is destroyed", id="another image"),
    ],
)
def test_destroys_the_root_disk(build, pretend, first, second, reason, why) -> None:
    host = build.host(8)
    images = [build.image(), build.image("other")]
    world = pretend.run(pretend.World(), pretend.World().plan(build.desired(*images, build.vm("web", **first)), host), host)
    plan = world.plan(build.desired(*images, build.vm("web", **{**first, **second})), host)
    [change] = plan.changing
    assert (change.action, change.reason, change.impact) == (Action.REPLACE, reason, Impact.DATA)
    assert why in [field.why for field in change.fields]
    assert change.note == "10 GiB of data is kept for 7 days"
    assert [step.kind for step in plan.steps] == REPLACE


def test_another_kernel_for_a_machine_without_disk_is_a_reboot(build, pretend) -> None:
    host = build.host(8)
    world = pretend.run(pretend.World(), pretend.World().plan(build.desired(build.kernel(), build.vm("web", image="tiny")), host), host)
    plan = world.plan(build.desired(build.kernel(cmdline="quiet"), build.vm("web", image="tiny")), host)
    assert [(change.address, change.action) for change in plan.changing] == [("image.tiny", Action.UPDATE), ("vm.web", Action.REBOOT)]


def test_a_volume_grows_and_never_shrinks(build, pretend) -> None:
    host = build.host(8)
    world = pretend.run(pretend.World(), pretend.World().plan(build.desired(build.volume(size=20)), host), host)
    assert [step.kind for step in world.plan(build.desired(build.volume(size=30)), host).steps] == ["volume.grow"]
    refused = world.plan(build.desired(build.volume(size=10)), host)
    assert [found.code for found in refused.diagnostics] == ["cannot-change"]
    assert not refused.applyable


def test_a_forced_replacement_says_who_asked(build, pretend) -> None:
    host = build.host(8)
    stack = build.desired(build.image(), build.vm("web"), build.vm("db"))
    world = pretend.run(pretend.World(), pretend.World().plan(stack, host), host)
    [change] = world.plan(stack, host, replace=("vm.web",)).changing
    assert (change.address, change.action, change.reason) == ("vm.web", Action.REPLACE, Reason.REPLACE_ASKED)


def test_protection_is_a_change_without_effects(build, pretend) -> None:
    host = build.host(8)
    world = pretend.run(pretend.World(), pretend.World().plan(build.desired(build.image(), build.vm("web")), host), host)
    plan = world.plan(build.desired(build.image(), build.vm("web", protect=True)), host)
    [change] = plan.changing
    assert (change.action, change.impact, [field.path for field in change.fields]) == (Action.UPDATE, Impact.NONE, ["protect"])
    assert [step.kind for step in plan.steps] == ["record.write"]
