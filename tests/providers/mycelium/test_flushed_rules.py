"""`nft flush ruleset` takes all rules along, and what they remember: the host is closed again by an apply, and put back by a destroy."""

from typing import Any

import hosts
import pytest

pytestmark = [pytest.mark.root, pytest.mark.timeout(120)]

SWITCH = "net.ipv6.conf.all.forwarding"
PLACE = "net/ipv6/conf/all/forwarding=0"


def _table(host: Any) -> str:
    return str(host.on_host("nft list table inet herocloud-overlay"))


@pytest.fixture
def flushed(host: Any) -> Any:
    """Return a host that did not forward before, on the overlay, without any rules."""
    host.before = host.dump()
    host.part = hosts.node(host.key())
    host.enable(host.part)
    host.whole = _table(host)
    assert PLACE in host.whole
    host.on_host("nft flush ruleset")
    return host


def test_an_apply_brings_back_what_the_host_remembers_and_forwards_nothing_for_others(flushed: Any) -> None:
    seen = flushed.things()["mycelium.node"]["overlay"]
    assert seen == {**flushed.part, "rules": "missing", "host_rules": "missing"}
    flushed.perform("overlay.enable", "mycelium.node", "overlay", seen, flushed.part)
    assert sorted(_table(flushed).splitlines()) == sorted(flushed.whole.splitlines())
    flushed.disable(flushed.part)
    assert flushed.changes_since(flushed.before) == []


def test_a_destroy_puts_the_settings_back_all_the_same(flushed: Any) -> None:
    assert flushed.on_host(f"sysctl -n {SWITCH}") == "1\n"
    flushed.disable(flushed.part)
    assert flushed.on_host(f"sysctl -n {SWITCH}") == "0\n"
    assert flushed.changes_since(flushed.before) == []


def test_what_was_kept_is_not_taken_for_the_settings_of_a_later_stay(flushed: Any) -> None:
    flushed.disable(flushed.part)
    flushed.on_host(f"sysctl -q -w {SWITCH}=1")
    flushed.enable(flushed.part)
    assert PLACE not in _table(flushed)
    flushed.disable(flushed.part)
    assert flushed.on_host(f"sysctl -n {SWITCH}") == "1\n"


def test_a_value_that_somebody_changed_in_the_chain_is_drift_and_not_put_back(host: Any) -> None:
    part = hosts.node(host.key())
    before = host.dump()
    host.enable(part)
    host.on_host("nft flush chain inet herocloud-overlay before")
    host.within(host.name, "nft", 'add rule inet herocloud-overlay before return comment "net/ipv6/conf/all/forwarding=1"')
    assert host.things()["mycelium.node"]["overlay"] == {**part, "rules": "changed"}
    host.disable(part)
    assert host.changes_since(before) == []


def test_two_hosts_do_not_share_what_they_keep(make_host: Any) -> None:
    one, other = make_host("a"), make_host("b")
    parts = {host: hosts.node(host.key()) for host in (one, other)}
    one.enable(parts[one])
    other.on_host(f"sysctl -q -w {SWITCH}=1")
    other.enable(parts[other])
    assert PLACE in _table(one)
    assert PLACE not in _table(other)
    for host in (one, other):
        host.disable(parts[host])
