"""Two stacks with ranges that overlap on a real host: the second one ends with its plan, and nothing of it is made."""

import json

import pytest

STACK = "stack: {name}\nnetworks: {{lan: {{cidr: {cidr}}}{more}}}\n"


@pytest.fixture
def second(make_site):
    """Apply a network, and write a stack beside it that wants a part of its range."""
    site = make_site("qemu")
    (site.folder / "one.yaml").write_text(STACK.format(name="one", cidr="10.61.0.0/24", more=""))
    (site.folder / "stack.yaml").write_text(STACK.format(name="two", cidr="10.61.0.0/25", more=", free: {cidr: 10.77.0.0/24}"))
    site.done("apply", "-y", "-q", "-f", "one.yaml")
    yield site
    site("destroy", "-y", "-q")
    site("destroy", "-y", "-q", "-f", "one.yaml")


@pytest.mark.parametrize("words", [("plan",), ("apply", "-y")], ids=" ".join)
def test_a_range_that_overlaps_is_an_error_of_the_plan(second, words: tuple[str, ...]) -> None:
    before = second.run("ip", "-j", "address").stdout
    ran = second(*words)
    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert "`network.lan` wants 10.61.0.0/25, and this host has 10.61.0.0/24 in `network.lan` of stack `one`." in ran.stderr
    assert [one["ifname"] for one in json.loads(second.run("ip", "-j", "address").stdout)] == [one["ifname"] for one in json.loads(before)]
