"""A stack for each kind of step that a stack file asks for, and what is there after it was applied and taken back."""

import json
import sqlite3
from typing import Any, NamedTuple

BASE = """\
stack: shop
images:
  debian: {source: "https://example.org/debian.qcow2", unpinned: true, format: qcow2}
  spare: {source: "https://example.org/spare.qcow2", unpinned: true, format: qcow2}
networks: {lan: {cidr: 10.41.0.0/24}, dmz: {cidr: 10.42.0.0/24}}
volumes: {data: {size: 1 GiB}, more: {size: 1 GiB}}
vms:
  db: {image: debian, memory: 2 GiB, root_disk: {size: 10 GiB}, networks: [{network: lan}], volumes: [data], state: running}
  off: {image: debian, memory: 1 GiB, root_disk: {size: 10 GiB}, state: stopped}
"""
Edits = tuple[tuple[str, str], ...]


class Scene(NamedTuple):
    """How a stack file asks for a kind of step: what is replaced by what, once the stack is applied with `start`."""

    edits: Edits
    start: Edits = ()


ONE_MORE = Scene((("  off:", "  x: {image: debian, memory: 1 GiB, networks: [{network: lan}]}\n  off:"),))
DB = "  db: {image: debian, memory: 2 GiB, root_disk: {size: 10 GiB}, networks: [{network: lan}], volumes: [data], state: running}\n"
ONE_LESS = Scene(((DB, ""),))
OTHER_IMAGE = Scene((("db: {image: debian", "db: {image: spare"),))
ON_OVERLAY = ("stack: shop\n", 'stack: shop\nmycelium: {peers: ["tcp://192.0.2.1:9651"]}\n')
TWO_PEERS = ('"tcp://192.0.2.1:9651"', '"tcp://192.0.2.1:9651", "tcp://192.0.2.2:9651"')
SCENES = {
    "image.fetch": Scene((("  spare:", '  third: {source: "https://example.org/t.qcow2", unpinned: true, format: qcow2}\n  spare:'),)),
    "image.delete": Scene((('  spare: {source: "https://example.org/spare.qcow2", unpinned: true, format: qcow2}\n', ""),)),
    **dict.fromkeys(("disk.create", "seed.write", "tap.create", "vm.create", "vm.boot"), ONE_MORE),
    **dict.fromkeys(("disk.delete", "seed.delete", "tap.delete", "vm.stop", "vm.delete"), ONE_LESS),
    **dict.fromkeys(("disk.prepare", "seed.prepare", "disk.place", "seed.place"), OTHER_IMAGE),
    "disk.grow": Scene(
        (
            (
                "off: {image: debian, memory: 1 GiB, root_disk: {size: 10 GiB}",
                "off: {image: debian, memory: 1 GiB, root_disk: {size: 11 GiB}",
            ),
        )
    ),
    "vm.grow": Scene((("memory: 2 GiB, root_disk: {size: 10 GiB}", "memory: 2 GiB, root_disk: {size: 11 GiB}"),)),
    "volume.create": Scene((("more: {size: 1 GiB}", "more: {size: 1 GiB}, third: {size: 1 GiB}"),)),
    "volume.delete": Scene(((", more: {size: 1 GiB}", ""),)),
    "volume.grow": Scene((("more: {size: 1 GiB}", "more: {size: 2 GiB}"),)),
    "volume.move": Scene((("more:", "rest:"), ("vms:\n", "moved: [{from: volume.more, to: volume.rest}]\nvms:\n"))),
    "network.create": Scene((("dmz: {cidr: 10.42.0.0/24}", "dmz: {cidr: 10.42.0.0/24}, wan: {cidr: 10.43.0.0/24}"),)),
    "network.update": Scene((("10.41.0.0/24", "10.41.0.0/24, isolated: true"),)),
    "network.delete": Scene(((", dmz: {cidr: 10.42.0.0/24}", ""),)),
    "network.move": Scene((("dmz:", "wan:"), ("vms:\n", "moved: [{from: network.dmz, to: network.wan}]\nvms:\n"))),
    "tap.update": Scene((("network: lan", "network: lan, rate: {download: 100 Mbit/s, upload: 50 Mbit/s}"),)),
    "overlay.enable": Scene((ON_OVERLAY,)),
    "overlay.disable": Scene(((ON_OVERLAY[1], ON_OVERLAY[0]),), (ON_OVERLAY,)),
    "peer.add": Scene((TWO_PEERS,), (ON_OVERLAY,)),
    "peer.remove": Scene((TWO_PEERS[::-1],), (ON_OVERLAY, TWO_PEERS)),
    "vm.configure": Scene((("memory: 2 GiB, root_disk", "vcpus: 2, memory: 6 GiB, slices: 3, root_disk"),)),
    "vm.resize": Scene((("memory: 2 GiB", "memory: 3 GiB"),)),
    "vm.attach": Scene((("[data]", "[data, more]"),)),
    "vm.detach": Scene((("[data]", "[]"),)),
    "vm.pause": Scene((("state: running", "state: paused"),)),
    "vm.resume": Scene((("state: paused", "state: running"),), (("state: running", "state: paused"),)),
    "vm.update": Scene((("db: {", "db: {labels: {tier: data}, "),)),
    "vm.move": Scene((("  off:", "  away:"), ("vms:\n", "moved: [{from: vm.off, to: vm.away}]\nvms:\n"))),
}
BY_COMMAND = ("disk.copy", "volume.copy", "disk.restore", "volume.restore", "vm.freeze", "vm.thaw", "vm.revive")
"""Kinds that no stack file asks for, as those of snapshots: commands on one VM have tests of their own."""


def edit(text: str, edits: Edits) -> str:
    for old, new in edits:
        assert text.count(old) == 1, f"{old!r} is in the stack {text.count(old)} times"
        text = text.replace(old, new)
    return text


def world_of(herocloud: Any) -> dict[str, Any]:
    """Return the parts and the data of everything in the simulated world."""
    with sqlite3.connect(herocloud.data_folder / "simulator.db") as world:
        rows = world.execute("SELECT address, parts, halves, contents FROM things").fetchall()
    world.close()
    return {address: [json.loads(one) for one in found] for address, *found in rows if found[:2] != ["{}", "{}"]}


def start(herocloud: Any, scene: Scene) -> tuple[str, dict[str, Any]]:
    """Apply the stack of a scene; returns its file, and what is there."""
    old = edit(BASE, scene.start)
    herocloud.write(old)
    herocloud.done("apply", "-y", "-q")
    herocloud.write(edit(old, scene.edits))
    return old, world_of(herocloud)


def expect_nothing_left(herocloud: Any, old: str, before: dict[str, Any], printed: str) -> None:
    herocloud.write(old)
    assert world_of(herocloud) == before, printed
    assert "No drift." in herocloud.done("drift", "--detailed-exitcode").out, printed
    assert "No changes." in herocloud.done("plan", "--detailed-exitcode").out, printed
    assert "There are no orphans" in herocloud.done("state", "orphans").out


def powers(herocloud: Any) -> dict[str, str]:
    """Return what each recorded VM is, as it is seen."""
    stacks = json.loads(herocloud.done("show", "--json").out)["stacks"].values()
    every = [one for stack in stacks for one in stack["resources"] if one["address"].startswith("vm.")]
    return {one["address"]: (one["observed"] or {}).get("power", "gone") for one in every}
