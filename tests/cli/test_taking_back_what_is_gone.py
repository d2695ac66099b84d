"""Before an apply is taken back, it is said of each thing whether its data can come back, and what approval the loss needs."""

import json
import os
import signal
from typing import Any

import pytest


def _cut_destroy(herocloud: Any, spawn: Any, disks: int, *flags: str) -> None:
    """Begin to destroy, and be killed behind so many disks."""
    herocloud.done("apply", "-y", "-q")
    faults = {**os.environ, "HEROCLOUD_FAULTS": f"simulator.disk.delete.after:{disks}:kill"}
    process = spawn("destroy", "-y", "-q", "--parallelism", "1", *flags, env=faults)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL


@pytest.fixture
def stack(herocloud: Any) -> None:
    """Write two VMs with a disk each."""
    herocloud.write("""\
stack: shop
images:
  debian: {source: "https://example.org/debian.qcow2", unpinned: true, format: qcow2}
vms: {web: {count: 3, image: debian, memory: 1 GiB}}
""")


@pytest.mark.usefixtures("stack")
def test_the_preview_names_what_cannot_come_back(herocloud: Any, spawn: Any) -> None:
    _cut_destroy(herocloud, spawn, 2, "--purge")
    ran = herocloud("resume", "--rollback")
    assert ran.code == 12, ran.both
    lost = [line.split()[1] for line in ran.out.splitlines() if "cannot come back" in line]
    assert len(lost) == 2
    assert ran.out.count("is gone for good (needs `destroy`)") == 2
    assert "--approve create,destroy" in ran.err or "--approve destroy" in ran.err
    ended = herocloud("resume", "--rollback", "--json", "-y")
    summary = json.loads(ended.out.splitlines()[-1])
    assert sorted(lost) == sorted(failure["address"] for failure in summary["failures"]), "what is said beforehand is what happens"


@pytest.mark.usefixtures("stack")
def test_the_stream_names_what_cannot_come_back(herocloud: Any, spawn: Any) -> None:
    _cut_destroy(herocloud, spawn, 1, "--purge")
    events = [json.loads(line) for line in herocloud("resume", "--rollback", "--json").out.splitlines()]
    (body,) = [event["unfinished"] for event in events if event["type"] == "unfinished"]
    lost = [one for one in body["left"] if not one["comes_back"]]
    assert [one["classes"] for one in lost] == [["destroy"]]
    assert body["nothing_comes_back"] is True, "the others were not touched"


@pytest.mark.usefixtures("stack")
def test_data_in_a_tombstone_comes_back(herocloud: Any, spawn: Any) -> None:
    _cut_destroy(herocloud, spawn, 2)
    ran = herocloud("resume", "--rollback")
    assert "cannot come back" not in ran.out
    assert herocloud("resume", "--rollback", "-y").code in (0, 1)
    assert [vm["state"] for vm in json.loads(herocloud.done("vm", "list", "--json").out)["vms"]] == ["running"] * 3


def test_where_all_data_is_gone_nothing_can_be_taken_back(herocloud: Any, spawn: Any) -> None:
    herocloud.write("stack: shop\nvolumes: {one: {size: 1 GiB}}\n")
    herocloud.done("apply", "-y", "-q")
    faults = {**os.environ, "HEROCLOUD_FAULTS": "simulator.volume.delete.after:1:kill"}
    process = spawn("destroy", "-y", "-q", "--purge", env=faults)
    process.communicate(timeout=60)
    ran = herocloud("resume", "--rollback")
    assert "Nothing can be taken back: all of the data is gone for good. `herocloud resume" in ran.out
