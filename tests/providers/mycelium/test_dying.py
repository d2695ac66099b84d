"""Kill -9 of herocloud at every point, and of the daemon: the next run heals, and nothing is left over."""

import os
import signal
from typing import Any

import daemons
import hosts
import pytest

pytestmark = [pytest.mark.root, pytest.mark.timeout(300)]

PEER = "tcp://192.0.2.9:9651"
NODE = ("mycelium.node", "overlay")


def _step(kind: str, part: dict[str, Any]) -> tuple[Any, ...]:
    peer = {"endpoint": PEER}
    return {
        "overlay.enable": ("overlay.enable", *NODE, None, part),
        "overlay.disable": ("overlay.disable", *NODE, part, None),
        "peer.add": ("peer.add", f"peer.{PEER}", "peer", None, peer),
        "peer.remove": ("peer.remove", f"peer.{PEER}", "peer", peer, None),
    }[kind]


def _prepare(host: Any, kind: str, part: dict[str, Any]) -> None:
    """Bring a host to where a step of this kind begins."""
    if kind != "overlay.enable":
        host.enable(part)
    if kind == "peer.remove":
        host.add_peer(PEER)


def _dies(host: Any, rule: str, step: tuple[Any, ...], verb: str = "perform") -> bool:
    """Carry out a step in a process that dies by this rule; tells whether it died."""
    worker = host.worker(rule)
    try:
        host.work(verb, *step, worker=worker)
    except EOFError:
        return True
    worker.kill()
    return False


def _ends_clean(host: Any, before: dict[str, Any]) -> None:
    assert host.things() == {}
    assert host.changes_since(before) == []
    assert host.processes() == []
    left = sorted(str(path.relative_to(host.folder)) for path in host.folder.rglob("*") if path.is_file())
    assert [name for name in left if not name.startswith("mycelium/keys/")] == ["state.lineage"]


@pytest.mark.parametrize("point", ["before", "half", "after"])
@pytest.mark.parametrize("kind", ["overlay.enable", "peer.add", "peer.remove", "overlay.disable"])
def test_a_kill_at_a_point_is_healed_by_the_next_run(host, kind, point) -> None:
    if host.kind != "standin":
        pytest.skip("the same with the stand-in, which starts in no time")
    part = hosts.node(host.key())
    before = host.dump()
    _prepare(host, kind, part)
    step = _step(kind, part)
    assert _dies(host, f"mycelium.{kind}.{point}:1:kill", step)
    found = host.probe(*step)[0]
    assert found in {"before": ("NOT_STARTED",), "half": ("NOT_STARTED", "PARTIAL"), "after": ("DONE",)}[point]
    host.perform(*step)
    assert host.probe(*step)[0] == "DONE"
    if kind == "peer.add":
        assert PEER in host.on_host("curl -s http://127.0.0.1:8989/api/v1/admin/peers").replace(
            '{"proto": "tcp", "addr": {"socket": "', "tcp://"
        )
        host.remove_peer(PEER)
    if kind != "overlay.disable":
        host.disable(part)
    _ends_clean(host, before)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["host", "network"])
@pytest.mark.parametrize("kind", ["overlay.enable", "overlay.disable"])
def test_a_kill_before_any_single_change_of_the_world_is_healed(host, kind, mode) -> None:
    if host.kind != "standin":
        pytest.skip("the same with the stand-in, which starts in no time")
    subnet = host.key()
    part = hosts.node(subnet) if mode == "host" else hosts.node(host.key("shop"), mode="network", key={"name": "shop"})
    before = host.dump()
    step = _step(kind, part)
    number = 1
    while True:
        _prepare(host, kind, part)
        died = _dies(host, f"mycelium.effect:{number}:kill", step)
        assert host.probe(*step)[0] != "CONTRADICTED"
        if died and number % 2:
            # Taken back from half-way, and then done after all.
            host.undo(*step)
            assert host.probe(*step)[0] == "NOT_STARTED"
        host.perform(*step)
        assert host.probe(*step)[0] == "DONE", f"after a kill before change {number}"
        if kind == "overlay.enable":
            host.disable(part)
        _ends_clean(host, before)
        if not died:
            break
        number += 3
    assert number > 1, "there is more than one change to die before"


def test_a_daemon_that_is_killed_comes_back_with_its_peers(host) -> None:
    part = hosts.node(host.key())
    before = host.dump()
    host.enable(part)
    host.add_peer(PEER)
    started = host.things()
    pid = int((host.folder / "mycelium/node/process").read_text().splitlines()[3].split()[0])
    os.kill(pid, signal.SIGKILL)
    daemons.wait_until(lambda: host.things() == started and _pid(host) != pid, 60)
    host.remove_peer(PEER)
    host.disable(part)
    _ends_clean(host, before)


def test_a_kill_while_the_daemon_is_down_leaves_one_daemon(host) -> None:
    part = hosts.node(host.key())
    before = host.dump()
    assert _dies(host, "mycelium.effect:2:kill", _step("overlay.enable", part))
    os.kill(_pid(host), signal.SIGKILL)
    host.enable(part)
    assert len([words for words in host.processes() if "--key-file" in words and "herocloud-keeper" not in words]) == 1
    host.disable(part)
    _ends_clean(host, before)


def _pid(host: Any) -> int:
    return int((host.folder / "mycelium/node/process").read_text().splitlines()[3].split()[0])
