"""A snapshot of a VM is restored to the volumes that it was taken of, whatever they are called by now."""

import json
import sqlite3
from typing import Any

from herocloud.providers.simulator import world

STACK = """\
stack: shop
images: {{debian: {{source: "https://example.org/d.qcow2", unpinned: true, format: qcow2}}}}
volumes: {{{volumes}}}
vms: {{db: {{image: debian, memory: 1 GiB, volumes: [{used}]}}}}
"""
OLD = STACK.format(volumes="data: {size: 1 GiB}", used="data")
RENAMED = STACK.format(volumes="log: {size: 1 GiB}", used="log") + "moved: [{from: volume.data, to: volume.log}]\n"
WITH_ANOTHER = STACK.format(volumes="log: {size: 1 GiB}, data: {size: 1 GiB}", used="log, data")


def _contents(herocloud: Any, address: str) -> str:
    with sqlite3.connect(herocloud.data_folder / "simulator.db") as found:
        (text,) = found.execute("SELECT contents FROM things WHERE address = ?", (address,)).fetchone()
    found.close()
    return str(json.loads(text)["volume"])


def test_a_restore_follows_the_rename_of_a_volume(herocloud: Any) -> None:
    herocloud.write(OLD)
    herocloud.done("apply", "-y", "-q")
    taken = _contents(herocloud, "volume.data")
    herocloud.done("vm", "snapshot", "create", "db", "--name", "s1")
    herocloud.write(RENAMED)
    herocloud.done("apply", "-y", "-q")
    # Another volume has the old name by now.
    herocloud.write(WITH_ANOTHER)
    herocloud.done("apply", "-y", "-q")
    another = _contents(herocloud, "volume.data")
    world.write(herocloud.data_folder, "volume.log", "volume")
    written = _contents(herocloud, "volume.log")
    assert written != taken
    herocloud.done("vm", "snapshot", "restore", "db", "s1", "-y", "-q")
    assert (_contents(herocloud, "volume.log"), _contents(herocloud, "volume.data")) == (taken, another)
    herocloud.done("undo", "-y")
    assert (_contents(herocloud, "volume.log"), _contents(herocloud, "volume.data")) == (written, another)
    assert "No drift." in herocloud.done("drift").out
