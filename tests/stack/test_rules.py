# ruff: noqa: E501 - a rule a line, so that the table can be read down.
"""The rules beside those of the big table: one small stack for each, with the line that is to blame."""

import effort
import pytest

_IMAGES = "images:\n  tiny: {kernel: ./vmlinuz}\n"
_NETS = "networks:\n  lan: {cidr: 10.0.0.0/24}\n"

_RULES = {
    "no stack": (_IMAGES, [(1, "missing-key")]),
    "a stack name with blanks": ("stack: My Shop\n", [(1, "bad-name")]),
    "a stack that is a number": ("stack: 5\n", [(1, "bad-name")]),
    "a section that is a list": ("stack: a\nvms: [web]\n", [(2, "wrong-type")]),
    "a section that is a text": ("stack: a\nnetworks: lan\nvms: {web: {image: x, networks: [lan]}}\nimages: {x: {kernel: ./vmlinuz}}\n", [(2, "wrong-type")]),
    "a vm that is a number": (f"stack: a\n{_IMAGES}vms:\n  web: 5\noutputs: {{a: '{{{{ vm.web.address.lan }}}}'}}\n{_NETS}", [(5, "wrong-type")]),
    "snapshots without a number": (f"stack: a\n{_IMAGES}vms:\n  web: {{image: tiny, snapshots: {{every: 1 h}}}}\n", [(5, "missing-key")]),
    "snapshots without an interval": (f"stack: a\n{_IMAGES}vms:\n  web: {{image: tiny, snapshots: {{keep: 3, memory: true}}}}\n", [(5, "missing-key")]),
    "snapshots put together from defaults": (f"stack: a\n{_IMAGES}defaults: {{snapshots: {{keep: 3}}}}\nvms:\n  web: {{image: tiny, snapshots: {{every: 1 h}}}}\n", []),
    "snapshots that defaults leave half": (f"stack: a\n{_IMAGES}defaults: {{snapshots: {{keep: 3}}}}\nvms:\n  web: {{image: tiny}}\n  db: {{image: tiny}}\n", [(4, "missing-key")]),
    "a command line that a kernel would cut": (f"stack: a\nimages:\n  x: {{kernel: ./vmlinuz, cmdline: {'a' * 2048}}}\n", [(3, "bad-cmdline")]),
    "a command line that a kernel reads whole": (f"stack: a\nimages:\n  x: {{kernel: ./vmlinuz, cmdline: {'a' * 2047}}}\n", []),
    "a command line with other letters": ("stack: a\nimages:\n  x: {kernel: ./vmlinuz, cmdline: hostname=bär}\n", [(3, "bad-cmdline")]),
    "a command line that ends with its line": ("stack: a\nimages:\n  x:\n    kernel: ./vmlinuz\n    cmdline: >\n      quiet\n      ro\n", []),
    "a command line of two lines": ("stack: a\nimages:\n  x:\n    kernel: ./vmlinuz\n    cmdline: |\n      quiet\n      ro\n", [(5, "bad-cmdline")]),
    "an image without anything": ("stack: a\nimages:\n  empty: {}\n", [(3, "nothing-to-boot")]),
    "an initramfs without a kernel": ("stack: a\nimages:\n  x:\n    source: ./vmlinuz\n    initramfs: ./vmlinuz\n", [(5, "missing-key")]),
    "a digest that is in doubt does not make the image unpinned": ("stack: a\nimages:\n  x:\n    source: https://x.example/y\n    sha256: abc\n", [(5, "bad-sha256")]),
    "a folder as a kernel": ("stack: a\nimages:\n  x: {kernel: ./shared}\n", [(3, "path-unreadable")]),
    "an alias given twice": ("stack: a\nimages:\n  x: {kernel: ./vmlinuz, aliases: [y]}\n  z: {kernel: ./vmlinuz, aliases: [y]}\n", [(4, "alias-clash")]),
    "a network that is too large": ("stack: a\nnetworks:\n  lan: {cidr: 10.0.0.0/4}\n", [(3, "bad-cidr")]),
    "a network that is too small": ("stack: a\nnetworks:\n  lan: {cidr: 10.0.0.0/31}\n", [(3, "bad-cidr")]),
    "a network of IPv6": ("stack: a\nnetworks:\n  lan: {cidr: 'fd00::/64'}\n", [(3, "bad-cidr")]),
    "three networks, one inside another": ("stack: a\nnetworks:\n  a: {cidr: 10.0.0.0/8}\n  b: {cidr: 10.1.0.0/16}\n  c: {cidr: 11.0.0.0/8}\n", [(4, "networks-overlap")]),
    "two protocols on one port": (f"stack: a\n{_IMAGES}{_NETS}".replace("24}", "24, forward: [{host_port: 1, vm: db, port: 1}, {host_port: 1, vm: db, port: 1, protocol: udp}]}") + "vms: {db: {image: tiny, networks: [lan]}}\n", []),
    "a port to a VM elsewhere": (f"stack: a\n{_IMAGES}{_NETS}".replace("24}", "24, forward: [{host_port: 1, vm: db, port: 1}]}") + "vms: {db: {image: tiny}}\n", [(5, "not-attached")]),
    "a port to one of several": (f"stack: a\n{_IMAGES}{_NETS}".replace("24}", "24, forward: [{host_port: 1, vm: db, port: 1}]}") + "vms: {db: {image: tiny, count: 2, networks: [lan]}}\n", [(5, "unknown-vm")]),
    "a share tag used twice": (f"stack: a\n{_IMAGES}vms:\n  web:\n    image: tiny\n    shares:\n      - {{path: ./shared, tag: x}}\n      - {{path: ./shared, tag: x}}\n", [(9, "tag-twice")]),
    "a share tag that is too long": (f"stack: a\n{_IMAGES}vms:\n  web: {{image: tiny, shares: [{{path: ./shared, tag: {'x' * 37}}}]}}\n", [(5, "bad-text")]),
    "a share that is a file": (f"stack: a\n{_IMAGES}vms:\n  web: {{image: tiny, shares: [{{path: ./vmlinuz, tag: x}}]}}\n", [(5, "path-unreadable")]),
    "a seed used twice": (f"stack: a\n{_IMAGES}vms:\n  a: {{image: tiny, mycelium: {{seed: 0a1b2c3d4e5f}}}}\n  b: {{image: tiny, mycelium: {{seed: 0A1B2C3D4E5F}}}}\n", [(6, "seed-twice")]),
    "a seed for several": (f"stack: a\n{_IMAGES}vms:\n  a: {{image: tiny, count: 2, mycelium: {{seed: 0a1b2c3d4e5f}}}}\n", [(5, "seed-twice")]),
    "a seed of zeros": (f"stack: a\n{_IMAGES}vms:\n  a: {{image: tiny, mycelium: {{seed: '000000000000'}}}}\n", [(5, "bad-seed")]),
    "the overlay switched off": (f"stack: a\n{_IMAGES}mycelium: {{addresses: false}}\nvms:\n  a: {{image: tiny, mycelium: true}}\n", [(6, "overlay-off")]),
    "settings of the host's node in mode guest": ("stack: a\nmycelium:\n  mode: guest\n  key: {env: KEY}\n  interfaces: [eth0]\n  daemon: adopt\n  host_open: [22]\n", [(4, "overlay-inside"), (5, "overlay-inside"), (6, "overlay-inside"), (7, "overlay-inside")]),
    "a port of the host that is none": ("stack: a\nmycelium: {host_open: [22, 70000, 53/icmp]}\n", [(2, "bad-opening"), (2, "bad-opening")]),
    "an overlay key without a name": ("stack: a\nmycelium:\n  key: {file: ''}\n", [(3, "bad-key")]),
    "pins for several": (f"stack: a\n{_IMAGES}vms:\n  a: {{image: tiny, count: 2, slice: s1}}\n", [(5, "slice-twice")]),
    "a pin twice in one VM": (f"stack: a\n{_IMAGES}vms:\n  a: {{image: tiny, slice: [s1, s1]}}\n", [(5, "slice-twice")]),
    "several pins taken by another": (f"stack: a\n{_IMAGES}vms:\n  a: {{image: tiny, slice: [s1, s2]}}\n  b: {{image: tiny, slice: [s1, s2]}}\n", [(6, "slice-twice")]),
    "one writer of several": (f"stack: a\n{_IMAGES}volumes: {{d: {{size: 1 GiB}}}}\nvms:\n  a: {{image: tiny, count: 2, volumes: [d]}}\n", [(6, "volume-shared")]),
    "one writer and many readers": (f"stack: a\n{_IMAGES}volumes: {{d: {{size: 1 GiB}}}}\nvms:\n  a: {{image: tiny, volumes: [d]}}\n  b: {{image: tiny, count: 9, volumes: [{{volume: d, readonly: true}}]}}\n", []),
    "no writer with a count of zero": (f"stack: a\n{_IMAGES}volumes: {{d: {{size: 1 GiB}}}}\nvms:\n  a: {{image: tiny, count: 0, volumes: [d]}}\n  b: {{image: tiny, volumes: [d]}}\n", []),
    "a VM that waits for itself": (f"stack: a\n{_IMAGES}vms:\n  a: {{image: tiny, depends_on: [vm.a]}}\n", [(5, "cycle")]),
    "two circles": (f"stack: a\n{_IMAGES}vms:\n  a: {{image: tiny, depends_on: [vm.b]}}\n  b: {{image: tiny, depends_on: [vm.a]}}\n  c: {{image: tiny, depends_on: [vm.c]}}\n", [(5, "cycle"), (7, "cycle")]),
    "a circle through one instance": (f"stack: a\n{_IMAGES}vms:\n  a: {{image: tiny, count: 2, depends_on: [vm.b]}}\n  b: {{image: tiny, depends_on: ['vm.a[1]']}}\n", [(5, "cycle")]),
    "instances that wait for the one before": (f"stack: a\n{_IMAGES}vms:\n  a: {{image: tiny, count: 3, depends_on: ['volume.v{{{{ index }}}}']}}\nvolumes: {{v0: {{size: 1 GiB}}, v1: {{size: 1 GiB}}, v2: {{size: 1 GiB}}}}\n", []),
    "a circle of renames": (f"stack: a\n{_IMAGES}vms: {{a: {{image: tiny}}, b: {{image: tiny}}}}\nmoved:\n  - {{from: vm.a, to: vm.b}}\n  - {{from: vm.b, to: vm.a}}\n", [(6, "move-cycle")]),
    "a chain of renames": (f"stack: a\n{_IMAGES}vms: {{c: {{image: tiny}}}}\nmoved:\n  - {{from: vm.a, to: vm.b}}\n  - {{from: vm.b, to: vm.c}}\n", []),
    "a rename from one to several": (f"stack: a\n{_IMAGES}vms: {{a: {{image: tiny, count: 2}}}}\nmoved:\n  - {{from: vm.a, to: 'vm.a[0]'}}\n", []),
    "a rename that is not an address": (f"stack: a\n{_IMAGES}vms: {{a: {{image: tiny}}}}\nmoved:\n  - {{from: old, to: vm.a}}\n", [(6, "bad-address")]),
    "a rename of a volume": ("stack: a\nvolumes: {d: {size: 1 GiB}}\nmoved:\n  - {from: volume.old, to: volume.d}\n", []),
    "user data from two places": (f"stack: a\n{_IMAGES}vms:\n  a: {{image: tiny, user_data: {{file: ./init.yaml, text: x}}}}\n", [(5, "one-of-two")]),
    "user data as a text": (f"stack: a\n{_IMAGES}vms:\n  a: {{image: tiny, user_data: x}}\n", [(5, "wrong-type")]),
    "a misspelt key below a list": (f"stack: a\n{_IMAGES}vms:\n  a: {{image: tiny, volumes: [{{volum: d}}]}}\n", [(5, "unknown-key")]),
    "an environment variable with a dash": (f"stack: a\n{_IMAGES}vms:\n  a: {{image: tiny, env: {{A-B: x}}}}\n", [(5, "bad-name")]),
    "vcpus below zero": (f"stack: a\n{_IMAGES}vms:\n  a: {{image: tiny, vcpus: -1}}\n", [(5, "out-of-range")]),
    "a size of nothing": (f"stack: a\n{_IMAGES}vms:\n  a: {{image: tiny, memory: 0 GiB}}\n", [(5, "bad-size")]),
    "a slice list of nothing": (f"stack: a\n{_IMAGES}vms:\n  a: {{image: tiny, slice: []}}\n", [(5, "out-of-range")]),
    "memory for nothing": (f"stack: a\n{_IMAGES}vms:\n  a: {{image: tiny, memory: 1 B}}\n", [(5, "out-of-range")]),
    "a source without a host": ("stack: a\nimages:\n  x: {source: 'http://', unpinned: true}\n", [(3, "bad-source")]),
    "a rename to an instance that a smaller count gave up": (f"stack: a\n{_IMAGES}vms: {{b: {{image: tiny, count: 1}}}}\nmoved:\n  - {{from: vm.a, to: 'vm.b[3]'}}\n", []),
    "a size without a unit": (f"stack: a\n{_IMAGES}vms:\n  a: {{image: tiny, memory: 4}}\n", [(5, "bad-size")]),
    "an absolute share on a host that is simulated": (f"stack: a\n{_IMAGES}vms:\n  a: {{image: tiny, shares: [{{path: /srv/nowhere, tag: x}}]}}\n", []),
    "affinity to nothing": (f"stack: a\n{_IMAGES}vms:\n  a: {{image: tiny, cpu: {{affinity: [[]]}}}}\n", [(5, "bad-affinity")]),
    "a name with an underscore that others refer to": (f"stack: a\n{_IMAGES}vms:\n  my_db: {{image: tiny}}\n  web: {{image: tiny, depends_on: [vm.my-db]}}\n", [(5, "bad-name")]),
}  # fmt: skip


@pytest.mark.parametrize("name", _RULES)
def test_a_rule_is_kept(name, codes) -> None:
    text, expected = _RULES[name]
    assert codes(text) == expected


def test_an_absolute_share_has_to_be_there_on_the_host_itself(codes, making) -> None:
    text = f"stack: a\n{_IMAGES}vms:\n  a: {{image: tiny, shares: [{{path: /srv/nowhere, tag: x}}]}}\n"
    assert codes(text, host=making.host(simulated=False)) == [(5, "path-missing")]


def test_without_a_host_nothing_is_asked_of_one(codes) -> None:
    assert codes(f"stack: a\n{_IMAGES}vms:\n  a: {{image: tiny, slice: szz, vcpus: 1, cpu: {{affinity: [[4000]]}}}}\n", host=None) == []


def test_mistakes_in_an_anchor_are_told_once(codes) -> None:
    text = f"stack: a\n{_IMAGES}vms:\n  a: &a\n    image: tny\n    memory: 4G\n  b: *a\n  c:\n    <<: *a\n    vcpus: 2\n"
    assert codes(text) == [(6, "unknown-image"), (7, "bad-size")]


def test_ten_times_the_mistakes_are_about_ten_times_the_work(load) -> None:
    def calls(many: int) -> int:
        vms = "".join(f"  v{number}: {{image: tny, memory: 4G}}\n" for number in range(many))
        loaded, count = effort.calls_of(lambda: load(f"stack: a\n{_IMAGES}vms:\n{vms}"))
        assert len(loaded.diagnostics) == 2 * many
        return count

    assert calls(5000) < 15 * calls(500)
