"""A key that comes in an environment variable: what was planned with one key is never applied with another."""

from typing import Any

import pytest

STACK = """\
stack: {stack}
images: {{tiny: {{kernel: ./vmlinuz, initramfs: ./initramfs}}}}
mycelium: {{mode: network, key: {{env: OVERLAY_KEY}}}}
vms: {{web: {{image: tiny, memory: 256 MiB, mycelium: {{seed: "{seed}"}}}}}}
"""
FIRST, SECOND = "ab" * 32, "cd" * 32


@pytest.fixture
def host(herocloud: Any) -> Any:
    for name in ("vmlinuz", "initramfs"):
        (herocloud.folder / name).touch()
    herocloud.write(STACK.format(stack="shop", seed="0a1b2c3d4e5f"))
    return herocloud


def test_a_saved_plan_is_stale_once_the_variable_holds_another_key(host: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OVERLAY_KEY", FIRST)
    host.done("plan", "--out", "plan", "-q")
    monkeypatch.setenv("OVERLAY_KEY", SECOND)
    ran = host("apply", "plan", "-y")
    assert ran.code != 0
    assert "The plan is stale" in ran.both
    assert "OVERLAY_KEY" in ran.both
    monkeypatch.setenv("OVERLAY_KEY", FIRST)
    host.done("apply", "plan", "-y", "-q")


def test_two_stacks_that_name_the_same_variable_with_the_same_key_are_an_error(host: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OVERLAY_KEY", FIRST)
    host.done("apply", "-y", "-q")
    host.write(STACK.format(stack="other", seed="0b1b2c3d4e5f"))
    ran = host("plan")
    assert ran.code == 1
    assert "Two overlay nodes cannot have the same key" in ran.both
    monkeypatch.setenv("OVERLAY_KEY", SECOND)
    host.done("apply", "-y", "-q")


def test_the_key_of_another_stack_is_shown_as_a_change_of_all_addresses(host: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OVERLAY_KEY", FIRST)
    host.done("apply", "-y", "-q")
    monkeypatch.setenv("OVERLAY_KEY", SECOND)
    ran = host("plan")
    assert "! vm.web" in ran.out
    assert "mycelium.address" in ran.out
    ran = host("apply", "-q", "--approve", "update")
    assert ran.code != 0, ran.both
