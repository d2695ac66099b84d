"""Ports of the host are free before a network publishes them, or the network is refused."""

import os
from pathlib import Path

import pytest

from herocloud.model.errors import Conflict, Permanent
from herocloud.providers.user_network import driving


def test_a_port_that_a_program_listens_on_is_refused(bench, network, forward, listener) -> None:
    protocol, port = listener
    network["forward"] = [forward(port, protocol=protocol)]
    with pytest.raises(Conflict, match=rf"listens on port {port}/{protocol}, which `network\.lan` publishes; choose another `host_port`"):
        bench.perform("network.create", None, network)
    assert bench.look().things == {}


def test_a_port_that_another_network_publishes_is_refused_even_when_its_vm_is_off(bench, network, forward, free_port) -> None:
    network["forward"] = [forward(free_port)]
    bench.perform("network.create", None, network, stack="first")
    with pytest.raises(Conflict, match=rf"port {free_port}/tcp of this host is published by `network\.lan` of stack `first` already"):
        bench.perform("network.create", None, network)


def test_a_port_that_the_network_has_is_its_own(bench, network, forward, listener) -> None:
    protocol, port = listener
    ours = {**network, "forward": [forward(port, protocol=protocol)]}
    path = driving.notes.network_path(bench.folder, "shop", "lan")
    driving.notes.write(path, driving.notes.Mark("ours", "shop", "network.lan", "network"), ours)
    changed = {**ours, "nat": False}
    assert bench.perform("network.update", ours, changed) == changed


@pytest.mark.skipif(os.geteuid() == 0, reason="root may open every port")
def test_a_port_that_only_root_may_open_is_refused(bench, network, forward) -> None:
    network["forward"] = [forward(1)]
    with pytest.raises(Permanent, match="this user may publish ports from"):
        bench.perform("network.create", None, network)


def test_a_forward_that_leads_nowhere_is_refused(bench, network, forward, free_port) -> None:
    network["forward"] = [forward(free_port, address=None)]
    with pytest.raises(Permanent, match=r"for `vm\.web`, which has no address on it"):
        bench.perform("network.create", None, network)


def test_ports_of_a_running_vm_are_not_changed_under_it(bench, network, tap, forward, free_port) -> None:
    bench.perform("network.create", None, network)
    bench.perform("tap.create", None, tap, address="vm.web")
    changed = {**network, "forward": [forward(free_port)]}
    with pytest.raises(Conflict, match=r"`vm\.web` runs, and its ports are opened when it starts"):
        bench.perform("network.update", network, changed, running=("vm.web",))
    assert bench.perform("network.update", network, changed) == changed


def test_the_first_port_of_ordinary_users_is_what_this_host_says() -> None:
    assert driving.ports._floor() == Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text().strip()
