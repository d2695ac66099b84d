"""What starts a daemon of the overlay again, and the alias of its bridge: changed by hand they are drift, and one apply puts them right."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import daemons
import hosts
import pytest

from herocloud.model import powers
from herocloud.providers.vmm import folders, identity, launch

pytestmark = [pytest.mark.root, pytest.mark.timeout(120)]


def _seen(host: Any) -> Any:
    return host.things()["mycelium.node"]["overlay"]


def _append(path: Path, content: bytes) -> None:
    with path.open("ab") as stream:
        stream.write(content)


def _kill_keeper(record: Path) -> None:
    keeper = launch.keeper_of(record)
    assert keeper is not None
    os.kill(keeper.pid, signal.SIGKILL)
    assert identity.wait_for_death(keeper, 10)


def _stop_keeper(record: Path) -> None:
    keeper = launch.keeper_of(record)
    assert keeper is not None
    os.kill(keeper.pid, signal.SIGSTOP)
    daemons.wait_until(lambda: " T " in Path(f"/proc/{keeper.pid}/stat").read_text(), 10)


def _say_no(record: Path) -> None:
    record.with_name("process.restart").write_text("no\n")


TAMPERED: dict[str, tuple[Callable[[Path], None], str]] = {
    "other orders": (lambda record: _append(folders.orders_path(record), b"word\0--no-tun\0"), powers.KEEPER_OTHER_ORDERS),
    "no orders": (lambda record: folders.orders_path(record).unlink(), powers.KEEPER_WITHOUT_ORDERS),
    "another policy": (_say_no, powers.KEEPER_LEAVES),
    "told that it is over": (lambda record: record.with_name("process.stop").touch(), powers.KEEPER_LEAVES),
    "keeper killed": (_kill_keeper, powers.KEEPER_DEAD),
    "keeper stopped": (_stop_keeper, powers.KEEPER_HALTED),
}


@pytest.mark.parametrize("kind", TAMPERED)
def test_what_starts_the_daemon_of_the_host_again(host: Any, kind: str) -> None:
    part, (tamper, word) = hosts.node(host.key()), TAMPERED[kind]
    host.enable(part)
    record = host.folder / "mycelium/node/process"
    process = identity.read(record)
    tamper(record)
    seen = _seen(host)
    assert seen == {**part, "keeper": word}
    host.perform("overlay.enable", "mycelium.node", "overlay", seen, part)
    assert _seen(host) == part
    assert identity.read(record) == process, "the daemon itself goes on"
    os.kill(process.pid, signal.SIGKILL)
    daemons.wait_until(lambda: (known := identity.read(record)) not in (None, process) and identity.is_alive(known), 30)
    daemons.wait_until(lambda: _seen(host) == part, 30)
    host.disable(part)
    assert host.processes() == []


def test_a_bridge_with_another_alias_is_ours_by_its_address_and_rules(host: Any) -> None:
    before, part = host.dump(), hosts.node(host.key())
    host.enable(part)
    alias = Path("/sys/class/net/hb-mycelium/ifalias")
    known = host.on_host(f"cat {alias}")
    host.on_host("ip link set hb-mycelium alias somebody")
    seen = _seen(host)
    assert seen == {**part, "bridge": "with another alias"}
    host.perform("overlay.enable", "mycelium.node", "overlay", seen, part)
    assert (_seen(host), host.on_host(f"cat {alias}")) == (part, known)
    host.on_host("ip link set hb-mycelium alias somebody")
    host.disable(part)
    assert host.changes_since(before) == []


def test_a_bridge_of_somebody_else_is_left_alone(host: Any) -> None:
    host.on_host("ip link add hb-mycelium alias somebody type bridge")
    with pytest.raises(hosts.Refusal, match="carries no mark of herocloud"):
        host.enable(hosts.node(host.key()))
    assert "hb-mycelium" in host.on_host("ip -br link")
