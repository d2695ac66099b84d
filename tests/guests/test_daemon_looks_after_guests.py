"""Real guests that end by themselves: a killed one comes back by its policy, one that powers itself off stays off, and both are said."""

import http.client
import json
import os
import signal
import socket
import tempfile
from pathlib import Path
from typing import Any

import pytest

from herocloud.providers.vmm import identity
from herocloud.rpc.client import Client

pytestmark = [pytest.mark.guest, pytest.mark.root, pytest.mark.timeout(400)]

STACK = """\
stack: pair
images:
  tiny: {kernel: ./vmlinuz, initramfs: ./initramfs, cmdline: console=ttyS0 quiet, nocloud: true}
vms:
  killed: {image: tiny, memory: 256 MiB, restart: on-failure}
  leaves: {image: tiny, memory: 256 MiB, restart: on-failure}
"""


class Watched:
    """Two guests with a daemon that looks after them."""

    def __init__(self, site: Any, path: Path) -> None:
        self.site, self.path = site, path
        self.sids = {name: site.sid(name) for name in ("killed", "leaves")}

    def start(self) -> None:
        self.site.done("daemon", "run", "--detach", "--socket", str(self.path))

    def stop(self) -> None:
        self.site.done("daemon", "stop")

    def record(self, name: str, part: str = "") -> identity.Identity:
        found = identity.read(identity.record_path(self.site.data, self.sids[name], part))
        assert found is not None
        return found

    def kill(self, name: str, part: str = "") -> identity.Identity:
        found = self.record(name, part)
        identity.send(found, signal.SIGKILL)
        assert identity.wait_for_death(found, 20)
        return found

    def is_back(self, name: str, former: identity.Identity) -> bool:
        now = identity.running(self.site.data, self.sids[name])
        return now is not None and now.pid != former.pid

    def said(self, kind: str, name: str) -> list[Any]:
        with Client(str(self.path)) as client:
            found = client.events(from_=1, limit=1000)["events"]
        return [event["data"] for event in found if event["type"] == kind and event["address"] == f"vm.{name}"]

    def metrics(self) -> list[str]:
        connection = http.client.HTTPConnection("localhost", timeout=30)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(str(self.path))
        connection.request("GET", "/metrics")
        lines = connection.getresponse().read().decode().splitlines()
        connection.close()
        return lines

    def metric(self, metric: str, name: str) -> str:
        labels = f'stack="pair",vm="vm.{name}",sid="{self.sids[name]}"'
        return next(line.rpartition(" ")[2] for line in self.metrics() if line.startswith(f"{metric}{{{labels}}}"))


@pytest.fixture(scope="module")
def watched(make_site: Any) -> Any:
    site = make_site("qemu")
    (site.folder / "stack.yaml").write_text(STACK)
    site.done("apply", "-y")
    site.done("vm", "wait", "--timeout", "3min")
    with tempfile.TemporaryDirectory(prefix="hc-guests-") as name:
        watched = Watched(site, Path(name) / "rpc.sock")
        watched.start()
        yield watched
        watched.stop()
    site.done("destroy", "-y")


def test_a_guest_that_is_killed_comes_back_and_one_that_powers_itself_off_stays_off(watched: Watched, waiting: Any) -> None:
    former = watched.kill("killed")
    watched.site.inside("leaves", "poweroff", "-f")
    waiting(lambda: watched.said("vm_restarted", "killed"), "the restart to be said")
    assert watched.is_back("killed", former)
    waiting(lambda: watched.said("vm_left_off", "leaves"), "the guest that left to be said")
    assert watched.said("vm_ended", "killed")[0]["exit_code"] == 137
    assert watched.said("vm_ended", "leaves")[0]["exit_code"] == 0
    assert watched.said("vm_restarted", "leaves") == []
    assert watched.said("vm_restarted", "killed")[0]["by"] == "keeper"
    watched.site.done("vm", "wait", "killed", "--timeout", "3min")
    waiting(lambda: watched.metric("herocloud_vm_up", "leaves") == "0", "the metric to say that it is off")
    assert watched.metric("herocloud_vm_up", "killed") == "1"
    assert watched.metric("herocloud_vm_restarts_total", "killed") == "1"
    assert watched.metric("herocloud_vm_restarts_total", "leaves") == "0"
    assert {'herocloud_vms{state="running"} 1', 'herocloud_vms{state="stopped"} 1'} <= set(watched.metrics())
    log = watched.site.done("state", "log")
    assert "keeper" in log
    assert "restart policy" in log


def test_the_shell_beside_a_guest_is_replaced_and_its_successor_restarts(watched: Watched, waiting: Any) -> None:
    watched.kill("killed", ".keeper")
    waiting(lambda: watched.said("vm_keeper_replaced", "killed"), "the successor")
    waiting(lambda: identity.is_alive(watched.record("killed", ".keeper")), "the successor to stand")
    former = watched.kill("killed")
    waiting(lambda: watched.is_back("killed", former), "the guest to come back")
    waiting(lambda: watched.said("vm_ended", "killed")[-1]["exit_code"] is None, "the end to be said")


def test_without_a_daemon_a_guest_comes_back_too_and_the_next_daemon_says_so(watched: Watched, waiting: Any) -> None:
    before = len(watched.said("vm_restarted", "killed"))
    watched.stop()
    former = watched.kill("killed")
    waiting(lambda: watched.is_back("killed", former), "the guest to come back")
    watched.start()
    waiting(lambda: len(watched.said("vm_restarted", "killed")) > before, "the restart to be said")


def test_a_guest_that_a_daemon_starts_may_run_on_all_processors(watched: Watched, waiting: Any) -> None:
    given = os.sched_getaffinity(os.getpid())
    if len(given) > 1:
        daemon = json.loads((watched.site.data / "daemon.json").read_text())["pid"]
        waiting(lambda: len(os.sched_getaffinity(daemon)) == 1, "the threads of the daemon to share a processor")
    former = watched.record("killed")
    watched.site.done("vm", "restart", "killed")
    assert watched.is_back("killed", former)
    for part in ("", ".keeper"):
        threads = Path(f"/proc/{watched.record('killed', part).pid}/task").iterdir()
        assert {frozenset(os.sched_getaffinity(int(thread.name))) for thread in threads} == {frozenset(given)}, part
    watched.site.done("vm", "wait", "killed", "--timeout", "3min")


def test_where_process_and_shell_were_killed_the_daemon_starts_the_guest(watched: Watched, waiting: Any) -> None:
    watched.kill("killed", ".keeper")
    former = watched.kill("killed")
    waiting(lambda: watched.is_back("killed", former), "the guest to come back")
    waiting(lambda: [one for one in watched.said("vm_restarted", "killed") if one["by"] == "daemon"], "the restart to be said")


def test_nobody_brings_back_a_guest_that_was_stopped(watched: Watched, waiting: Any) -> None:
    before = len(watched.said("vm_restarted", "killed"))
    watched.site.done("vm", "stop", "killed")
    waiting(lambda: watched.metric("herocloud_vm_up", "killed") == "0", "the metric to say that it is off")
    assert len(watched.said("vm_restarted", "killed")) == before
    assert identity.running(watched.site.data, watched.sids["killed"]) is None
