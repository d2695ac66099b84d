"""Deploys that run side by side are promised what the host has, and not more of it."""

import collections
import concurrent.futures
from pathlib import Path
from typing import Any

import pytest

from tests.rpc.conftest import HOST_FILE, Refusal

GIB = 2**30
ASKING = 8
HOST = HOST_FILE.replace("32 GiB", "40 GiB")
"""With a slice for each of those who ask."""
LIMITS = {
    # A host of 16 CPUs promises four vCPUs for each.
    "cpu": ("limits: {}", {"cpu_count": 20}),
    "disk": ("limits: {disk: 50 GiB}", {"disk_bytes": 14 * GIB}),
}
"""By resource: what the host file says more, with which there is room for three, and what each deploy asks for."""


def _deploy(daemon: Any, name: str, slice_sid: str, **params: Any) -> str:
    try:
        return str(daemon.call("deploy_vm", name=name, slice_sid=slice_sid, image="tiny", wait=60, **params)["status"])
    except Refusal as refusal:
        return str(refusal.code)


@pytest.mark.parametrize("resource", LIMITS)
def test_as_many_are_admitted_as_fit_however_many_ask_at_once(folder: Path, start: Any, resource: str) -> None:
    more, asked = LIMITS[resource]
    (folder / "host.yaml").write_text(f"{HOST}{more}\n", encoding="utf-8")
    daemon = start()
    for turn in range(4):
        with concurrent.futures.ThreadPoolExecutor(ASKING) as pool:
            names = [(f"vm{turn}-{number}", f"s{number + 1}") for number in range(ASKING)]
            ended = list(pool.map(lambda pair: _deploy(daemon, *pair, **asked), names))
        level = daemon.call("resources")[resource]
        assert level["allocated"] <= level["effective_limit"], ended
        assert collections.Counter(ended) == {"done": 3, "-32004": ASKING - 3}
        for vm in daemon.call("list_vms"):
            daemon.call("delete_vm", sid=vm["sid"], purge=True, wait=60)


def test_two_restores_at_once_do_not_get_the_same_room(folder: Path, start: Any) -> None:
    # Two disks of 14 GiB, a snapshot of each, and one copy more.
    (folder / "scenario.yaml").write_text('rules:\n  - {step: "*disk.restore*", delay: 2 s}\n', encoding="utf-8")
    (folder / "host.yaml").write_text(f"{HOST}limits: {{disk: 78 GiB}}\nsimulator: {{scenario: ./scenario.yaml}}\n", encoding="utf-8")
    daemon = start()
    sids = []
    for number in (1, 2):
        job = daemon.call("deploy_vm", name=f"vm{number}", slice_sid=f"s{number}", image="tiny", disk_bytes=14 * GIB, wait=60)
        sids.append(job["sid"])
        daemon.call("create_snapshot", sid=job["sid"], name="a", wait=60)

    def restore(sid: str) -> str:
        try:
            return str(daemon.call("restore_snapshot", sid=sid, name="a", wait=60)["status"])
        except Refusal as refusal:
            return str(refusal.code)

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(restore, sids)) == ["-32004", "done"]
