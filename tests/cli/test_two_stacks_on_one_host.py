"""Two stacks that want the same range, published port or address: the second is refused by every command, before anything is made."""

from typing import Any

import pytest

STACK = """\
stack: {name}
images: {{img: {{source: "https://example.org/d.qcow2", unpinned: true, format: qcow2}}}}
networks: {{lan: {{cidr: {cidr}{forward}}}}}
vms: {{only: {{image: img, memory: 1 GiB, networks: [lan]}}}}
"""
FORWARD = ", forward: [{host_port: 8080, vm: only, port: 80}]"
SAME = {
    "the range, and so the address": ({}, "`network.lan` of stack `one`"),
    "a part of the range": ({"cidr": "10.61.0.0/16"}, "`network.lan` of stack `one`"),
    "the port": ({"cidr": "10.62.0.0/24", "forward": FORWARD}, "8080"),
}


@pytest.fixture(params=SAME)
def second(herocloud: Any, request: pytest.FixtureRequest) -> str:
    """Apply one stack, write another that wants the same, and return what names it."""
    wanted, says = SAME[request.param]
    usual = {"cidr": "10.61.0.0/24", "forward": ""}
    herocloud.write(STACK.format(name="one", **usual | {"forward": FORWARD}), "one.yaml")
    herocloud.done("apply", "-y", "-q", "-f", "one.yaml")
    herocloud.write(STACK.format(name="two", **usual | wanted))
    return says


@pytest.mark.parametrize("words", [("plan",), ("plan", "--rehearse"), ("apply", "--rehearse"), ("apply", "-y")], ids=" ".join)
def test_what_another_stack_has_is_refused_with_its_name(herocloud: Any, second: str, words: tuple[str, ...]) -> None:
    ran = herocloud(*words)
    assert ran.code == 1, ran.both
    assert second in ran.err
    assert "stack `one`" in ran.err
    assert "Rehearsed" not in ran.out
    assert herocloud("state", "list").out == "Nothing is recorded.\n", "the second stack was made"
