"""Commands for VMs refuse the address of anything else, each in the same words: what is not a VM is never shown or treated as one."""

from typing import Any

import pytest

COMMANDS = [
    ("vm", "show", "network.lan"),
    ("vm", "wait", "network.lan"),
    ("vm", "logs", "network.lan"),
    ("vm", "console", "network.lan"),
    ("vm", "exec", "network.lan", "--", "true"),
    ("vm", "stop", "network.lan"),
    ("vm", "snapshot", "create", "network.lan"),
    ("vm", "snapshot", "list", "network.lan"),
    ("vm", "snapshot", "delete", "network.lan", "before", "-y"),
    ("vm", "clone", "network.lan", "other"),
    ("vm", "export", "network.lan", "lan.tar"),
]


@pytest.mark.usefixtures("applied")
@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: " ".join(words[:3]).removesuffix(" network.lan"))
def test_a_network_is_not_taken_for_a_vm(herocloud: Any, words: tuple[str, ...]) -> None:
    ran = herocloud(*words)
    assert ran.code == 1, ran
    assert "error: Not a VM (network.lan)\n  `network.lan` is a network.\n" in ran.err
