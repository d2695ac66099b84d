"""The interface of a daemon that somebody else started: what was taken from it is put back, and the daemon is never started again."""

from typing import Any

import daemons
import hosts
import pytest

from herocloud.providers.mycelium import arithmetic, keys

pytestmark = [pytest.mark.root, pytest.mark.timeout(180)]

TAKEN = {
    "the route": ("ip -6 route del 400::/7 dev mycelium", "overlay.interface_route is missing"),
    "the link": ("ip link set mycelium down", "overlay.interface is down"),
    "the address": ("ip address del {address}/7 dev mycelium", "overlay.interface_address is missing"),
    "IPv6": ("ip link set mycelium mtu 1000", "overlay.interface_address is missing"),
}


def _adopt(host: Any) -> "daemons.Daemon":
    host.become_whole()
    (host.folder / "stack.yaml").write_text("stack: shop\nmycelium: {daemon: adopt}\n")
    host.herocloud("mycelium", "key", "create", "host")
    running = _start(host)
    host.herocloud("apply", "-y")
    return running


def _start(host: Any, tun: str = "mycelium") -> "daemons.Daemon":
    words = daemons.command(host.kind, host.folder / "mycelium/keys/host.key", daemons.Ports(), tun=tun)
    running = daemons.Daemon(words, daemons.Ports(), host.folder.parent / "operator.log", host.name, {})
    daemons.wait_until(lambda: host.within(host.name, "curl", "-s", "http://127.0.0.1:8989/api/v1/admin", check=False))
    return running


def _ways(host: Any) -> list[str]:
    return [line for line in host.on_host("ip -6 route").splitlines() if line.startswith("400::/7")]


@pytest.mark.parametrize("what", TAKEN)
def test_what_was_taken_from_it_is_put_back_while_it_runs(host: Any, what: str) -> None:
    running = _adopt(host)
    command, words = TAKEN[what]
    before = _ways(host)
    host.on_host(command.format(address=arithmetic.node_address(arithmetic.public_key(keys.read_named(host.folder, "host")))))
    assert words in host.herocloud("drift", "--detailed-exitcode", code=2)
    said = host.herocloud("plan", "--detailed-exitcode", code=2)
    assert "→ restored" in said
    assert "warning" not in said
    host.herocloud("apply", "-y")
    assert "No drift." in host.herocloud("drift", "--detailed-exitcode")
    assert _ways(host) == before
    assert running.process.poll() is None
    host.herocloud("destroy", "-y")
    assert running.stop() == 0


def test_another_name_or_size_is_its_own_affair(host: Any) -> None:
    running = _adopt(host)
    host.on_host("ip link set mycelium name ours0")
    host.on_host("ip link set ours0 mtu 1350")
    assert "No drift." in host.herocloud("drift", "--detailed-exitcode")
    host.on_host("ip -6 route del 400::/7 dev ours0")
    host.herocloud("apply", "-y")
    assert "dev ours0" in _ways(host)[0]
    assert "mtu 1350" in host.on_host("ip link show dev ours0")
    assert "No drift." in host.herocloud("drift", "--detailed-exitcode")
    host.herocloud("destroy", "-y")
    running.stop()


def test_a_link_that_was_removed_is_an_error_of_the_plan_until_its_owner_starts_it_again(host: Any) -> None:
    running = _adopt(host)
    pid = running.process.pid
    host.on_host("ip link del mycelium")
    assert "overlay.interface is missing" in host.herocloud("drift", "--detailed-exitcode", code=2)
    for command in (("plan",), ("apply", "-y")):
        said = host.herocloud(*command, code=1)
        assert "The overlay daemon of this host has lost its interface" in said
        assert "start that daemon again" in said
    assert running.process.pid == pid
    assert running.process.poll() is None
    part = hosts.node(host.order({"verb": "subnet", "name": "host"}), daemon="adopt")
    with pytest.raises(hosts.Refusal, match="which herocloud did not start, has lost its interface; start the daemon again"):
        host.enable(part, stack="other")
    host.undo("overlay.enable", "mycelium.node", "overlay", None, part, stack="other")
    running.process.kill()
    running.stop()
    running = _start(host)
    assert "No drift." in host.herocloud("drift", "--detailed-exitcode")
    host.on_host("ip link del mycelium")
    host.herocloud("destroy", "-y")
    running.process.kill()
    running.stop()


def test_a_network_needs_nothing_of_it(host: Any) -> None:
    host.become_whole()
    (host.folder / "stack.yaml").write_text("stack: shop\nmycelium: {mode: network}\n")
    host.herocloud("mycelium", "key", "create", "host", "shop")
    running = _start(host)
    host.herocloud("apply", "-y")
    host.on_host("ip link del mycelium")
    assert "No drift." in host.herocloud("drift", "--detailed-exitcode")
    assert "No changes." in host.herocloud("plan", "--detailed-exitcode")
    host.herocloud("destroy", "-y")
    running.process.kill()
    running.stop()
