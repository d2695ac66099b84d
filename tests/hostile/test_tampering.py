"""The tampering campaign: everything that somebody can change behind our back shows in `drift`, and one `apply` heals it.

The table is made of what is there: every field of every part of every thing, in the world and in the records, each part, each thing and
each state of power. Fields whose change shows and is not healed stand in `SHOWN_ONLY`, with the reason. This campaign runs on the
simulator, whose parts are those of the real providers.
"""

import contextlib
import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from herocloud.model import powers
from herocloud.providers.simulator import world

pytestmark = [pytest.mark.world, pytest.mark.slow, pytest.mark.timeout(400)]

STACK = """\
stack: shop
images:
  disk: {source: "https://example.org/disk.raw", unpinned: true, format: raw}
  bare: {kernel: ./vmlinuz, initramfs: ./initramfs, cmdline: quiet}
networks:
  lan: {cidr: 10.42.0.0/24, nat: true, forward: [{host_port: 8080, vm: web, port: 80}]}
  dmz: {cidr: 10.43.0.0/24, isolated: true}
volumes:
  data: {size: 2 GiB}
  spare: {size: 1 GiB}
vms:
  web:
    image: disk
    networks: [{network: lan, rate: {download: 10 MB/s, upload: 5 MB/s}}, dmz]
    volumes: [data]
    labels: {tier: front}
    env: {A: b}
    root_disk: {size: 12 GiB, rate: {bandwidth: 50 MB/s, iops: 500}}
    restart: always
  tool: {image: bare, vcpus: 2, memory: 2 GiB, cpu: {max: 4}, memory_options: {mergeable: true}}
"""
LEAST = 120

_ELSEWHERE = "a real provider finds it by this name, so there it is one that is gone and one that nobody knows"
SHOWN_ONLY = {
    "network.bridge": f"a bridge is not renamed: {_ELSEWHERE}",
    "disk.path": f"a disk is not moved: {_ELSEWHERE}",
    "volume.path": f"a volume under a running VM is not moved: {_ELSEWHERE}",
    "volume.size": "a volume that is larger than it should be is not cut, because no apply throws data away unasked",
}
"""Fields whose change shows and is refused, or takes more than one apply, and why."""


class Kind(NamedTuple):
    """One way to tamper."""

    name: str
    act: Callable[[], None]
    field: str = ""


MORE = {
    "volumes": [{"volume": "spare", "readonly": False, "size": 1024**3}],
    "shares": [{"path": "/srv", "tag": "more"}],
    "forward": [{"host_port": 9090, "vm": "vm.web", "port": 90, "protocol": "tcp"}],
    "nics": [],
    "labels": {"more": "yes"},
    "rate": None,
    "topology": {"threads": 1, "cores": 1, "dies": 1, "packages": 1},
    "affinity": [[0]],
    "payload": {"kernel": "/boot/other", "initramfs": None, "cmdline": None},
}
"""What fields become whose values are not single ones."""


def other(name: str, value: Any) -> Any:
    """Return another value that a field of this name may have."""
    if name in MORE and value != MORE[name]:
        return MORE[name]
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case str():
            return f"{value}x"
        case None:
            return "something"
        case []:
            return ["something"]
        case list():
            return value[1:]
        case _:
            return {**value, "something": "else"}


def leaves(body: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the path of every field of a part."""
    if isinstance(body, dict) and body:
        for name, inner in body.items():
            yield from leaves(inner, (*path, name))
    else:
        yield path


def put(body: Any, path: tuple[str, ...], value: Any) -> Any:
    """Return a part with one field changed."""
    if not path:
        return value
    return {**body, path[0]: put(body[path[0]], path[1:], value)}


def get(body: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        body = body[name]
    return body


class World:
    """The two places that somebody may tamper with: what is there, and what is recorded."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def parts(self, address: str) -> dict[str, Any]:
        with contextlib.closing(sqlite3.connect(self.folder / "simulator.db")) as opened:
            return dict(json.loads(opened.execute("SELECT parts FROM things WHERE address = ?", (address,)).fetchone()[0]))

    def addresses(self) -> list[str]:
        with contextlib.closing(sqlite3.connect(self.folder / "simulator.db")) as opened:
            return [address for (address,) in opened.execute("SELECT address FROM things ORDER BY address")]

    def set_part(self, address: str, part: str, body: Any) -> None:
        if part == "power":
            world.set_power(self.folder, address, body)
        elif body is None:
            world.remove_part(self.folder, address, part)
        else:
            world.change_part(self.folder, address, part, body)

    def set_recorded_part(self, address: str, part: str, body: Any) -> None:
        with contextlib.closing(sqlite3.connect(self.folder / "state.db")) as state:
            (text,) = state.execute("SELECT body FROM records WHERE address = ? AND until IS NULL", (address,)).fetchone()
        record = json.loads(text)
        record[5] = {name: value for name, value in {**record[5], part: body}.items() if value is not None}
        self.run("state.db", "UPDATE records SET body = ? WHERE address = ? AND until IS NULL", json.dumps(record), address)

    def remove(self, address: str) -> None:
        world.remove_thing(self.folder, address)

    def run(self, database: str, order: str, *values: Any) -> None:
        with contextlib.closing(sqlite3.connect(self.folder / database)) as opened, opened:
            opened.execute(order, values)


_FLAWS = [*((powers.KEEPER, word) for word in powers.WHY_KEPT), (powers.LOG, powers.LOG_UNBOUNDED)]
"""What is only seen of a machine; the same is done about it for all VMs."""


def kinds(there: World) -> Iterator[Kind]:
    """Make the table out of what is there."""
    for address in there.addresses():
        for part, body in there.parts(address).items():
            if part == "power":
                for state in ("stopped", "paused", *powers.GIVEN_UP, *powers.HELD):
                    yield Kind(f"{address} {state}", partial(there.set_part, address, part, state))
                continue
            for path in leaves(body):
                changed, name = put(body, path, other(path[-1], get(body, path))), ".".join((part, *path))
                yield Kind(f"{address} {name} changed in the world", partial(there.set_part, address, part, changed), name)
                yield Kind(f"{address} {name} changed in the record", partial(there.set_recorded_part, address, part, changed), name)
            yield Kind(f"{address} {part} gone from the world", partial(there.set_part, address, part, None))
            yield Kind(f"{address} {part} gone from the record", partial(there.set_recorded_part, address, part, None))
        if "power" in there.parts(address):
            for field, word in _FLAWS if address == "vm.web" else _FLAWS[:1]:
                machine = {**there.parts(address)["machine"], field: word}
                yield Kind(f"{address} whose {field} is {word}", partial(there.set_part, address, "machine", machine))
        yield Kind(f"{address} gone", partial(there.remove, address))


@pytest.fixture
def shop(herocloud: Any) -> Any:
    for name in ("vmlinuz", "initramfs"):
        (herocloud.folder / name).write_text(name)
    herocloud.write(STACK)
    herocloud.done("apply", "-y", "-q")
    return herocloud


def test_what_is_tampered_with_shows_and_is_healed_by_one_apply(shop: Any, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    shutil.copytree(shop.data_folder, kept)
    table = list(kinds(World(shop.data_folder)))
    assert len(table) >= LEAST
    wrong = [f"{kind.name}: {trouble}" for kind in table if (trouble := _try(shop, kind, kept))]
    assert not wrong, f"{len(wrong)} of {len(table)} kinds:\n" + "\n".join(wrong)


def _try(shop: Any, kind: Kind, kept: Path) -> str:
    """Tamper, look and heal, always beginning with what was applied; returns what is wrong with it."""
    shutil.rmtree(shop.data_folder)
    shutil.copytree(kept, shop.data_folder)
    kind.act()
    seen, planned = shop("drift", "--detailed-exitcode"), shop("plan", "--detailed-exitcode")
    if seen.code != 2:
        return f"drift ends with {seen.code}: {seen.err[:150]}"
    if kind.field in SHOWN_ONLY:
        return "plan finds no changes" if planned.code == 0 else ""
    healed = shop("apply", "-y", "-q")
    after = (shop("drift", "--detailed-exitcode").code, shop("plan", "--detailed-exitcode").code)
    return "" if (planned.code, healed.code, *after) == (2, 0, 0, 0) else f"apply ends with {healed.code}, then {after}: {healed.err[:200]}"
