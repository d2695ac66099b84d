"""Ranges that overlap on a real host: a second stack ends with its plan, and inside one stack the range passes to the other network."""

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


SHOP = """\
stack: shop
images: {{tiny: {{kernel: ./vmlinuz, initramfs: ./initramfs, cmdline: "console=ttyS0 quiet swiotlb=noforce", nocloud: true}}}}
defaults: {{image: tiny, hypervisor: qemu}}
networks: {{{name}: {{cidr: {cidr}}}}}
vms: {{db: {{memory: 128 MiB, networks: [{name}]}}}}
"""


@pytest.mark.parametrize("cidr", ["10.61.0.0/24", "10.61.0.0/25"], ids=["the same", "a part"])
def test_a_range_passes_to_a_network_of_another_name(make_site, cidr: str) -> None:
    site = make_site("qemu")
    (site.folder / "stack.yaml").write_text(SHOP.format(name="lan", cidr="10.61.0.0/24"))
    site.done("apply", "-y", "-q")
    machine = json.loads(site.done("vm", "list", "--json"))["vms"][0]
    (site.folder / "stack.yaml").write_text(SHOP.format(name="front", cidr=cidr))
    for words in (("apply", "-y"), ("undo", "-y"), ("apply", "-y")):
        site.done(*words, "-q")
        links = [one for one in json.loads(site.run("ip", "-j", "address").stdout) if one["ifname"].startswith("hb-")]
        held = [f"{address['local']}/{address['prefixlen']}" for one in links for address in one["addr_info"]]
        assert held == ["10.61.0.1/24" if words[0] == "undo" else f"10.61.0.1/{cidr.partition('/')[2]}"]
    assert "No changes." in site.done("plan")
    assert json.loads(site.done("vm", "list", "--json"))["vms"][0]["sid"] == machine["sid"]
    site.done("destroy", "-y", "-q", "--purge")
