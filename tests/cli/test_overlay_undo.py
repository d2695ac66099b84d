"""`undo` gives overlay addresses back only while nobody else has them and their keys are there."""

import json
from pathlib import Path
from typing import Any

import pytest

STACK = """\
stack: {stack}
images: {{tiny: {{kernel: ./vmlinuz, initramfs: ./initramfs}}}}
vms: {{web: {{image: tiny, memory: 256 MiB, mycelium: {{seed: "0a1b2c3d4e5f"}}}}}}
"""
FIRST, SECOND = bytes(range(32)), bytes(range(1, 33))


@pytest.fixture
def removed(herocloud: Any) -> Any:
    """Return a host with a key, on which a stack was applied and destroyed."""
    for name in ("vmlinuz", "initramfs"):
        (herocloud.folder / name).touch()
    _put_key(herocloud.data_folder, FIRST)
    herocloud.write(STACK.format(stack="shop"))
    herocloud.done("apply", "-y", "-q")
    herocloud.done("destroy", "-y", "-q")
    return herocloud


def _put_key(folder: Path, private: bytes) -> None:
    path = folder / "mycelium/keys/host.key"
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.write_bytes(private)
    path.chmod(0o600)


def test_an_address_that_another_stack_got_is_not_given_back(removed: Any) -> None:
    removed.write(STACK.format(stack="other"))
    removed.done("apply", "-y", "-q")
    history = json.loads(removed("state", "log", "--stack", "shop", "--json").out)["history"]
    serial = max(one["serial"] for one in history)
    ran = removed("undo", str(serial), "-y")
    assert ran.code != 0
    assert "The overlay address is taken" in ran.both
    assert "`vm.web` of stack `other`" in ran.both


def test_a_key_that_was_replaced_or_lost_is_named_before_anything_runs(removed: Any) -> None:
    _put_key(removed.data_folder, SECOND)
    ran = removed("undo", "-y")
    assert ran.code == 1
    assert "A key of the overlay was replaced" in ran.both
    assert "put the former key back" in ran.both
    (removed.data_folder / "mycelium/keys/host.key").unlink()
    ran = removed("undo", "-y")
    assert ran.code == 1
    assert "A key of the overlay is missing" in ran.both
    _put_key(removed.data_folder, FIRST)
    removed.done("undo", "-y", "-q")
    assert removed("plan", "--detailed-exitcode").code == 0
