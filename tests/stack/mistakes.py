# ruff: noqa: E501 - one mistake a line, so that the table can be read down.
"""A stack without a mistake, and many small edits that each make exactly one.

`§` in the new text marks the line that has to be reported; it is taken out before the stack is loaded. Edits that touch the same text
exclude one another.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

SOUND = """\
stack: shop
description: Everything that a stack can say

variables:
  fronts: {type: integer, default: 2, min: 1, max: 8}
  key: {type: string, default: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKJ6yWbEYYt3pNiZNQGRsDNFkFVFSl6oHD3zRdqeBOSP}
  pets:
    type: integer
    default: 3
    max: 9

defaults:
  image: debian12
  restart: on-failure

images:
  debian12:
    source: https://example.org/debian.qcow2
    sha256: 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
    format: qcow2
    aliases: [debian, bookworm]
  tiny:
    kernel: ./vmlinuz
    cmdline: console=ttyS0

sizes:
  small: {vcpus: 1, memory: 1 GiB}
  large:
    vcpus: 4
    memory: 8 GiB

networks:
  lan:
    cidr: 10.42.0.0/24
    nat: true
    forward:
      - {host_port: 8080, vm: "web[0]", port: 80}
      - {host_port: 2222, vm: db, port: 22}
  dmz:
    cidr: 10.43.0.0/24

mycelium:
  peers:
    - tcp://188.40.132.242:9651
    - quic://[2a01:4f8::1]:9651

volumes:
  pgdata: {size: 200 GiB, protect: true}
  scratch: {size: 10 GiB}

vms:
  web:
    count: "{{ fronts }}"
    size: small
    networks: [{network: lan, rate: {download: 100 Mbit/s}}]
    ssh_keys: ["{{ key }}"]
    user_data: {file: ./init.yaml}
    depends_on: [vm.db]
  db:
    slice: [s5, s6]
    vcpus: 4
    memory: 7 GiB
    cpu:
      max: 8
      affinity: [[0, 1], [2, 3]]
      topology: {threads: 1, cores: 8}
    root_disk:
      size: 40 GiB
      rate: {bandwidth: 250 MB/s, iops: 5000}
    volumes:
      - volume: pgdata
    shares: [{path: ./shared, tag: shared}]
    networks: [lan, dmz]
    mycelium: {seed: 0a1b2c3d4e5f}
    state: running
    secrets: {password: {env: DB_PASSWORD}}
  cache:
    image: tiny
    hypervisor: simulator
    slices: 2
    memory: 6 GiB
    volumes: [{volume: scratch, readonly: false}]
    env: {PEER: "{{ vm.db.address.lan }}", OVERLAY: "{{ vm.db.mycelium }}"}
    labels: {tier: cache}
  first: {image: debian, vcpus: 2, mycelium: true}
  second: {image: bookworm, depends_on: [vm.first]}
  third: {size: large, networks: [dmz], depends_on: [vm.second]}
  pet:
    count: "{{ pets }}"
    image: tiny
    labels: {name: "pet-{{ index }}"}

moved:
  - {from: vm.www, to: vm.web}
  - from: vm.old
    to: vm.cache

outputs:
  front: "{{ vm.web[0].address.lan }}"
  dmz: "{{ vm.db.address.dmz }}"
"""

ENVIRONMENT = {"DB_PASSWORD": "secret"}


class Mistake(NamedTuple):
    """One edit, and the code that it has to give."""

    name: str
    code: str
    old: str
    new: str
    group: str = ""
    """Mistakes of one group exclude one another: below the first, nobody can tell whether the second is one."""


_SOURCE = """\
    source: https://example.org/debian.qcow2
    sha256: 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
"""

MISTAKES = (
    Mistake("a key that does not exist", "unknown-key", "description: Every", "§descriptoin: Every"),
    Mistake("a misspelt section that others refer to", "unknown-key", "networks:\n  lan:", "§network:\n  lan:"),
    Mistake("a misspelt count that others rely on", "unknown-key", "  web:\n    count:", "  web:\n    §coutn:", "fronts"),
    Mistake("a misspelt count around an index", "unknown-key", '    count: "{{ pets }}"', '    §cuont: "{{ pets }}"'),
    Mistake("an unknown key in a flow mapping", "unknown-key", "protect: true}", "protekt: true§}"),
    Mistake("an unknown key deep inside", "unknown-key", "iops: 5000", "ioqs: 5000§"),
    Mistake("an unknown key at the top", "unknown-key", "outputs:\n", "§outptus:\n"),
    Mistake("a default out of bounds", "bad-variable", "default: 2, min", "default: 9§, min", "fronts"),
    Mistake("a default of a wrong type", "bad-variable", "default: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKJ6yWbEYYt3pNiZNQGRsDNFkFVFSl6oHD3zRdqeBOSP", "default: [1, {a: b}]§"),
    Mistake("a variable without a value", "missing-variable", "  pets:\n    type: integer\n    default: 3\n", "  §pets:\n    type: integer\n"),
    Mistake("a variable of an unknown type", "bad-choice", "    type: integer\n    default: 3", "    type: §integar\n    default: 3"),
    Mistake("an unknown variable", "unknown-variable", '["{{ key }}"]', '["{{ keys }}"§]'),
    Mistake("an unknown image in the defaults", "unknown-image", "  image: debian12\n", "  image: §debian13\n"),
    Mistake("an unknown alias of an image", "unknown-image", "image: bookworm", "image: §bookwurm"),
    Mistake("an image without a digest", "unpinned-image", _SOURCE, "    source: §https://example.org/debian.qcow2\n"),
    Mistake("a digest that is too short", "bad-sha256", "sha256: 0123456789abcdef0123456789", "sha256: §"),
    Mistake("an image of another scheme", "bad-source", "source: https://", "source: §ftp://"),
    Mistake("an unknown format", "bad-choice", "format: qcow2", "format: §qcow3"),
    Mistake("an alias that is taken", "alias-clash", "aliases: [debian, bookworm]", "aliases: [debian, bookworm, tiny§]"),
    Mistake("a kernel that is not there", "path-missing", "kernel: ./vmlinuz", "kernel: §./vmlinux"),
    Mistake("a size without a unit of one meaning", "bad-size", "memory: 1 GiB", "memory: 1G§"),
    Mistake("no processors", "out-of-range", "small: {vcpus: 1", "small: {vcpus: 0§"),
    Mistake("a number in quotes", "wrong-type", "    vcpus: 4\n    memory: 8 GiB", '    §vcpus: "4"\n    memory: 8 GiB'),
    Mistake("an address instead of a network", "bad-cidr", "cidr: 10.42.0.0/24", "cidr: §10.42.0.1/24", "cidr"),
    Mistake("networks that overlap", "networks-overlap", "cidr: 10.43.0.0/24", "cidr: §10.42.0.128/25", "cidr"),
    Mistake("yes instead of true", "wrong-type", "nat: true", "nat: §yes"),
    Mistake("a port forwarded to nobody", "unknown-vm", 'vm: "web[0]", port: 80', "vm: §wbe, port: 80"),
    Mistake("a host port taken twice", "port-twice", "host_port: 2222", "§host_port: 8080"),
    Mistake("a port out of range", "out-of-range", "port: 22}", "port: 70000§}"),
    Mistake("a network without a range", "missing-key", "  dmz:\n    cidr: 10.43.0.0/24\n", "  §dmz: {}\n", "cidr"),
    Mistake("a peer with a name", "bad-peer", "tcp://188.40.132.242:9651", "§tcp://example.org:9651"),
    Mistake("a peer listed twice", "peer-twice", "    - quic://[2a01:4f8::1]:9651", "    - quic://[2a01:4f8::1]:9651\n    - §quic://[2a01:4f8::1]:9651"),
    Mistake("a peer listed twice in another spelling", "peer-twice", "    - quic://[2a01:4f8::1]:9651", "    - quic://[2a01:4f8::1]:9651\n    - §quic://[2A01:4F8:0::1]:09651"),
    Mistake("a volume without a size", "missing-key", "scratch: {size: 10 GiB}", "§scratch: {}"),
    Mistake("a size in decimal units", "bad-size", "pgdata: {size: 200 GiB", "pgdata: {size: 200 GB§"),
    Mistake("a size preset that does not exist", "unknown-size", "size: small", "size: §smal"),
    Mistake("a count out of range", "out-of-range", 'count: "{{ pets }}"', "count: -1§"),
    Mistake("a rate without time", "bad-rate", "download: 100 Mbit/s", "download: 100 Mbit§"),
    Mistake(
        "a duration without unit", "bad-duration", "labels: {tier: cache}", "labels: {tier: cache}\n    snapshots: {keep: 2, every: 1d5§}"
    ),
    Mistake("a network that does not exist", "unknown-network", "networks: [dmz], depends_on", "networks: [dnz§], depends_on"),
    Mistake("user data that is not there", "path-missing", "file: ./init.yaml", "file: ./nothing.yaml§"),
    Mistake("a dependency on nobody", "unknown-vm", "depends_on: [vm.db]", "depends_on: [vm.bd§]"),
    Mistake("a dependency that is not an address", "bad-address", "depends_on: [vm.first]", "depends_on: [first§]", "chain"),
    Mistake("a circle of dependencies", "cycle", "first: {image: debian, vcpus: 2, mycelium: true}", "first: {image: debian, vcpus: 2, mycelium: true, depends_on: [vm.third§]}", "chain"),
    Mistake("a slice that the host does not have", "unknown-slice", "slice: [s5, s6]", "slice: [s5, sz9§]"),
    Mistake("a slice pinned twice", "slice-twice", "    hypervisor: simulator\n    slices: 2\n", "    hypervisor: simulator\n    slice: [s5§, s7]\n"),
    Mistake("slices counted and pinned", "slices-and-pins", "slice: [s5, s6]\n", "slice: [s5, s6]\n    §slices: 2\n"),
    Mistake("a slice id of another form", "bad-sid", "slice: [s5, s6]", "slice: [s5, S6§]"),
    Mistake("more memory than the slices have", "memory-over-slices", "memory: 7 GiB", "memory: §9 GiB"),
    Mistake("a balloon as large as the memory", "balloon-over-memory", "labels: {tier: cache}", "memory_options: {balloon: 8 GiB§}\n    labels: {tier: cache}", "cache"),
    Mistake("a balloon in huge pages", "balloon-in-huge-pages", "labels: {tier: cache}", "memory_options: {hugepages: true, balloon: 1 GiB§}\n    labels: {tier: cache}", "cache"),
    Mistake("a balloon of parts of pages", "out-of-range", "labels: {tier: cache}", "memory_options: {balloon: 10 KiB§}\n    labels: {tier: cache}", "cache"),
    Mistake("fewer processors than at the start", "too-few-vcpus", "max: 8\n      aff", "max: 3§\n      aff", "cpu"),
    Mistake("a topology that does not fit", "bad-topology", "topology: {threads: 1, cores: 8}", "topology: {threads: 2, cores: 8}§", "cpu"),
    Mistake("more lists than processors", "bad-affinity", "[[0, 1], [2, 3]]", "[[0], [1], [2], [3], [4], [5], [6], [7], [8]]§", "cpu"),
    Mistake("a processor that the host does not have", "unknown-processor", "[[0, 1], [2, 3]]", "[[0, 1], [2, 3000]]§"),
    Mistake("a volume that does not exist", "unknown-volume", "- volume: pgdata", "- volume: §pgdate", "pgdata"),
    Mistake("a volume with two writers", "volume-shared", "labels: {tier: cache}", "labels: {tier: cache}\n  writer: {volumes: [pgdata§]}", "pgdata"),
    Mistake("a network attached twice", "attached-twice", "networks: [lan, dmz]", "networks: [lan, dmz, lan§]"),
    Mistake("a seed of another form", "bad-seed", "seed: 0a1b2c3d4e5f", "seed: 0a1b2c§"),
    Mistake("a folder that is not there", "path-missing", "path: ./shared", "path: ./shred§"),
    Mistake("a word that is not a choice", "bad-choice", "state: running", "state: §runing"),
    Mistake("a secret that is not set", "secret-missing", "env: DB_PASSWORD", "env: NOT_SET_ANYWHERE§"),
    Mistake("a secret from nowhere", "one-of-two", "password: {env: DB_PASSWORD}", "password: {}§"),
    Mistake("a key that is there twice", "duplicate-key", "    memory: 6 GiB\n", "    memory: 6 GiB\n    §memory: 5 GiB\n", "cache"),
    Mistake("two merge keys", "duplicate-key", "  pet:\n", "  pet:\n    <<: {vcpus: 2}\n    §<<: {vcpus: 3}\n"),
    Mistake("a name that is there twice", "duplicate-key", "  pet:\n", "  §second: {image: tiny}\n  pet:\n"),
    Mistake("an expression about nobody", "unknown-vm", '"{{ vm.db.address.lan }}"', '"{{ vm.dc.address.lan }}"§'),
    Mistake("an expression about a network elsewhere", "not-attached", "{{ vm.web[0].address.lan }}", "{{ vm.web[0].address.dmz }}§"),
    Mistake("an expression about an instance beyond the count", "unknown-vm", "{{ vm.web[0].address.lan }}", "{{ vm.web[7].address.lan }}§", "fronts"),
    Mistake("an expression that is none", "bad-expression", "pet-{{ index }}", "pet-{{ 2 * index }}§"),
    Mistake("index outside of a count", "bad-expression", "labels: {tier: cache}", 'labels: {tier: "{{ index }}"§}'),
    Mistake("a list as a label", "wrong-type", "labels: {tier: cache}", "labels: {tier: [a]§}"),
    Mistake("a boolean as a variable of the environment", "wrong-type", 'OVERLAY: "{{ vm.db.mycelium }}"', "OVERLAY: true§"),
    Mistake("a name with capitals", "bad-name", "  cache:\n", "  §Cache:\n"),
    Mistake("a rename to nobody", "move-target", "to: vm.web}", "to: vm.wab§}"),
    Mistake("a rename given twice", "move-twice", "- from: vm.old\n", "- from: vm.www§\n", "moved"),
    Mistake("a rename of what is still there", "move-kept", "- from: vm.old\n", "- from: vm.third§\n", "moved"),
    Mistake("a rename of another kind", "move-target", "    to: vm.cache", "    to: volume.scratch§", "moved"),
)  # fmt: skip


def make(mistakes: Iterable[Mistake]) -> tuple[str, list[tuple[int, str]]]:
    """Make as many of these mistakes as go together; returns the text, and the line and code of each."""
    text, made, groups = SOUND, [], set()
    for mistake in mistakes:
        if text.count(mistake.old) == 1 and not (mistake.group and mistake.group in groups):
            text = text.replace(mistake.old, mistake.new.replace("§", f"§{len(made)}§"))
            made.append(mistake)
            groups.add(mistake.group)
    found = []
    for number, line in enumerate(text.split("\n"), 1):
        found += [(number, made[int(mark)].code) for mark in re.findall("§(\\d+)§", line)]
    return re.sub("§\\d+§", "", text), sorted(found)


def prepare(folder: Path) -> None:
    """Write the files that the stack names."""
    (folder / "vmlinuz").write_text("kernel")
    (folder / "init.yaml").write_text("#cloud-config\n")
    (folder / "shared").mkdir(exist_ok=True)
