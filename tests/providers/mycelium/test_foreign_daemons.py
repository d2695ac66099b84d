"""A plan on a host where somebody else's daemon runs: errors before anything is touched, a warning for one without a TUN."""

import json
from typing import Any

import daemons
import pytest

pytestmark = [pytest.mark.root, pytest.mark.timeout(180)]


def _begin(host: Any, key: str, daemon: str = "auto", tun: str = "mycelium") -> "daemons.Daemon":
    host.become_whole()
    (host.folder / "stack.yaml").write_text(f"stack: shop\nmycelium: {{daemon: {daemon}}}\n")
    words = daemons.command(host.kind, host.folder / f"mycelium/keys/{key}.key", daemons.Ports(), tun=tun)
    running = daemons.Daemon(words, daemons.Ports(), host.folder.parent / "operator.log", host.name, {})
    daemons.wait_until(lambda: host.within(host.name, "curl", "-s", "http://127.0.0.1:8989/api/v1/admin", check=False))
    if tun:
        daemons.wait_until(lambda: "400::/7" in host.on_host("ip -6 route"))
    return running


def test_another_key_is_an_error_of_the_plan_and_nothing_is_touched(host: Any) -> None:
    subnet, other = host.key(), host.key("other")
    running = _begin(host, "other")
    before = host.dump()
    said = host.herocloud("plan", code=1)
    for text in ("An overlay daemon with another key runs on this host", subnet, other, "name the key file of that daemon"):
        assert text in said
    host.herocloud("apply", "-y", code=1)
    assert host.changes_since(before) == []
    (host.folder / "stack.yaml").write_text(f'stack: shop\nmycelium: {{key: {{file: "{host.folder}/mycelium/keys/other.key"}}}}\n')
    host.herocloud("apply", "-y")
    host.herocloud("destroy", "-y")
    running.stop()


def test_manage_over_an_adopted_one_is_an_error_of_the_plan(host: Any) -> None:
    host.key()
    running = _begin(host, "host", daemon="manage")
    assert "An overlay daemon runs on this host that herocloud did not start" in host.herocloud("plan", code=1)
    running.stop()


def test_one_without_a_tun_is_a_warning_that_stays_and_no_drift(host: Any) -> None:
    host.key()
    running = _begin(host, "host", tun="")
    assert "The overlay daemon carries no traffic of this host" in host.herocloud("apply", "-y")
    said = host.herocloud("plan", "--detailed-exitcode")
    assert "No changes." in said
    assert "The overlay daemon carries no traffic of this host" in said
    assert "No drift." in host.herocloud("drift", "--detailed-exitcode")
    assert json.loads(host.herocloud("--json", "mycelium", "status"))["carries"] is False
    assert "there is no route to 400::/7" in host.herocloud("mycelium", "status")
    assert "no route to 400::/7" in host.order({"verb": "survey"})
    host.herocloud("destroy", "-y")
    running.stop()
