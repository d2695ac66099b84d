"""The tampering campaign on the real host: what root changes behind our back shows in `drift`, and one `apply` heals it.

One VM of QEMU with everything that it hangs on, in network and mount namespaces of its own. Its guest is a blank disk, because nothing
here depends on what runs in it. What an apply must not heal by itself (a disk that is gone while the VM writes to it) is refused with a way
out, and what is harmless stands in `HARMLESS` with the reason. `No changes.` after anything else fails the test.

The single fields of interfaces and rules are tried one by one in `tests/providers/network/test_drifting.py`.
"""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from herocloud.kits.access_lists import ENTER, OF_NEW, READ, WRITE
from herocloud.providers.vmm import identity, responsiveness
from tests.access_lists import give_access
from tests.guests.conftest import Site, wait_until
from tests.hostile.real_sites import real_site

pytestmark = [pytest.mark.root, pytest.mark.slow]

STACK = """\
stack: shop
images:
  blank: {source: ./blank.raw, format: raw, nocloud: true}
  bare: {kernel: ./vmlinuz, initramfs: ./initramfs, cmdline: quiet}
networks:
  lan: {cidr: 10.42.0.0/24, nat: true, forward: [{host_port: 8080, vm: web, port: 80}]}
volumes:
  data: {size: 8 MiB}
  spare: {size: 8 MiB}
vms:
  web:
    image: blank
    memory: 256 MiB
    networks: [{network: lan, rate: {download: 10 MB/s, upload: 5 MB/s}}]
    volumes: [data]
    root_disk: {size: 8 MiB}
    restart: always
    env: {A: b}
"""

_IMAGE = "images: {blank: {source: ./blank.raw, format: raw, nocloud: true}}\n"


class Kind(NamedTuple):
    """One way to tamper: words for the shell of the namespace, or a function."""

    name: str
    act: "str | Callable[[Host], None]"


class Host:
    """A real host with the stack applied."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.data = site.data
        (site.folder / "stack.yaml").write_text(STACK)
        (site.folder / "blank.raw").write_bytes(bytes(1024**2))
        for name in ("vmlinuz", "initramfs"):
            (site.folder / name).write_bytes(name.encode() * 100)
        site.done("apply", "-y", "-q")
        self.vm = next((self.data / "vms").iterdir())
        links = site.run("ls", "/sys/class/net").stdout.split()
        self.bridge = next(name for name in links if name.startswith("hb-"))
        self.tap = next(name for name in links if name.startswith("hc-"))
        self.detour = self.tap.replace("hc-", "hi-")
        self.rules = site.run("nft", "list", "chain", "netdev", "herocloud", self.tap).stdout
        self.strangers: list[subprocess.Popen[bytes]] = []
        """Processes of the host that have nothing to do with it, and have to be there at the end."""
        self.mac = re.findall("[0-9a-f]{2}(?::[0-9a-f]{2}){5}", self.rules)[0]

    def shell(self, text: str) -> None:
        names = {"bridge": self.bridge, "tap": self.tap, "detour": self.detour, "mac": self.mac}
        names |= {"vm": str(self.vm), "vm_name": self.vm.name}
        ran = self.site.run("sh", "-ec", text.format(**names))
        assert ran.returncode == 0, f"{text}: {ran.stderr}"

    def process(self, record: str = "process") -> int:
        return int((self.vm / "vmm" / record).read_text().splitlines()[-1].split()[0])

    def codes(self) -> tuple[int, int]:
        return self.site("drift", "--detailed-exitcode").returncode, self.site("plan", "--detailed-exitcode").returncode

    def tamper(self, kind: Kind) -> None:
        if callable(kind.act):
            kind.act(self)
        else:
            self.shell(kind.act)


def _send(number: signal.Signals, record: str) -> Callable[[Host], None]:
    def act(host: Host) -> None:
        pid = host.process(record)
        os.kill(pid, number)
        stat = Path(f"/proc/{pid}/stat")
        if number is signal.SIGSTOP:
            wait_until(lambda: " T " in stat.read_text(), "the process to stop")
        else:
            wait_until(lambda: not stat.exists() or " Z " in stat.read_text(), "the process to end")

    return act


def _rewrite(find: Callable[[Host], Path]) -> Callable[[Host], None]:
    """Write into a file, and put its times back."""

    def act(host: Host) -> None:
        path = find(host)
        times = path.stat()
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 0xFF
        with path.open("r+b") as stream:
            stream.write(content)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))

    return act


def _swap(find: Callable[[Host], Path]) -> Callable[[Host], None]:
    def act(host: Host) -> None:
        path = find(host)
        copy = path.with_name("copy")
        shutil.copyfile(path, copy)
        copy.replace(path)

    return act


def _unlink(find: Callable[[Host], Path]) -> Callable[[Host], None]:
    return lambda host: find(host).unlink()


def _stored(host: Host) -> Path:
    return next((host.data / "images/store").glob("*.raw"))


def _spare(host: Host) -> Path:
    return host.data / "volumes/shop/spare.raw"


def _volume(host: Host) -> Path:
    return host.data / "volumes/shop/data.raw"


def _seed(host: Host) -> Path:
    return host.vm / "seed.iso"


def _root(host: Host) -> Path:
    return host.vm / "root.raw"


def _grow(host: Host) -> None:
    os.truncate(_spare(host), 4 * 1024**2)


def _write(name: str, text: str) -> Callable[[Host], None]:
    def act(host: Host) -> None:
        (host.vm / "vmm" / name).write_text(text)

    return act


def _lose_process(text: str) -> Callable[[Host], None]:
    """Do something to what says which process runs a VM, once that is old enough to have written it."""

    def act(host: Host) -> None:
        _wait_until_started(host)
        host.shell(text)

    return act


def _name_another_process(host: Host) -> None:
    """Have the record name a process of the host, which must not be put anywhere, or ended, for that."""
    _wait_until_started(host)
    record, process = host.vm / "vmm/process", subprocess.Popen(["sleep", "600"])
    host.strangers.append(process)
    head = record.read_text().splitlines()[:3]
    record.write_text("\n".join([*head, Path(f"/proc/{process.pid}/stat").read_text()]))


def _wait_until_started(host: Host) -> None:
    known = identity.read(host.vm / "vmm/process")
    assert known is not None
    wait_until(lambda: not responsiveness.is_starting(known), "the VMM to be older than one that starts")


def _unlink_sockets(names: str) -> Callable[[Host], None]:
    """Remove sockets of the VMM, whose folder is in the namespace alone, once it is old enough to be expected to answer."""

    def act(host: Host) -> None:
        _wait_until_started(host)
        host.shell(f"rm /run/herocloud/*/{host.vm.name}/{names}")

    return act


def _told(*lines: str) -> Callable[[Host], None]:
    """Say something to QEMU through the socket of the VM, as root of the host can."""

    def act(host: Host) -> None:
        folder = host.site.run("sh", "-ec", f"ls -d /run/herocloud/*/{host.vm.name}").stdout.strip()
        for line in lines:
            said = host.site.run("python3", "-c", _TELL, f"{folder}/qmp.sock", line.replace("FOLDER", folder))
            assert '"return"' in said.stdout, said.stdout + said.stderr

    return act


_TELL = """
import json, socket, sys
with socket.socket(socket.AF_UNIX) as talk:
    talk.connect(sys.argv[1])
    lines = talk.makefile("rw")
    lines.readline()
    for line in ('{"execute": "qmp_capabilities"}', sys.argv[2]):
        print(line, file=lines, flush=True)
        while "event" in (answer := json.loads(lines.readline())):
            pass
    print(json.dumps(answer))
"""
_OVERLAY = (
    '{"execute": "blockdev-snapshot-sync", "arguments": {"node-name": "NODE", "snapshot-file": "FOLDER/over.qcow2", '
    '"snapshot-node-name": "over", "format": "qcow2"}}'
)
_SERVER = '{"execute": "nbd-server-start", "arguments": {"addr": {"type": "inet", "data": {"host": "0.0.0.0", "port": "10809"}}}}'


def _groups(host: Host) -> list[Path]:
    words = host.site.run("sh", "-c", "cat /run/herocloud/orders/*").stdout.split("\0")
    found = [Path(value).parent for name, value in zip(words[::2], words[1::2], strict=False) if name == "group"]
    if not found:
        pytest.skip("needs a control group that herocloud made for the VM, which this host does not have")
    return found


def _leave_group(host: Host) -> None:
    _wait_until_started(host)
    for group in _groups(host):
        (group.parent.parent / "cgroup.procs").write_text(str(host.process()))


def _unlimit(*names: str) -> Callable[[Host], None]:
    def act(host: Host) -> None:
        for group in _groups(host):
            for path in (group / name for name in names):
                if path.exists():
                    path.write_text("-1" if path.name == "memory.limit_in_bytes" else "max")

    return act


HEALED = (
    Kind("tap down", "ip link set {tap} down"),
    Kind("tap without a carrier", "ip link set {tap} carrier off"),
    Kind("tap without a carrier that is down", "ip link set {tap} carrier off down"),
    Kind("tap out of its bridge", "ip link set {tap} nomaster"),
    Kind("tap with another MTU", "ip link set {tap} mtu 1300"),
    Kind("tap with an MTU too small for IPv6", "ip link set {tap} mtu 1000"),
    Kind("bridge with an MTU too small for IPv6", "ip link set {bridge} mtu 1000"),
    Kind("tap with an address", "ip address add 10.77.0.1/24 dev {tap}"),
    Kind("tap that does not learn", "bridge link set dev {tap} learning off"),
    Kind("tap that is not flooded", "bridge link set dev {tap} flood off"),
    Kind("tap that is isolated", "bridge link set dev {tap} isolated on"),
    Kind("tap that answers for others", "ip link set {tap} type bridge_slave proxy_arp on"),
    Kind("bridge down", "ip link set {bridge} down"),
    Kind("bridge without its address", "ip address flush dev {bridge}"),
    Kind("bridge with one more address", "ip address add fd00::1/64 dev {bridge} nodad"),
    Kind("bridge that forgets at once", "ip link set {bridge} type bridge ageing_time 0"),
    Kind("bridge without ARP", "ip link set {bridge} arp off"),
    Kind("bridge with a spanning tree", "ip link set {bridge} type bridge stp_state 1"),
    Kind("MAC of the VM behind the host", "bridge fdb replace {mac} dev {bridge} self permanent"),
    Kind("MAC that no guest may take over", "bridge fdb add 02:00:00:00:00:77 dev {tap} master static sticky"),
    Kind("address of the VM with another MAC", "ip neighbor replace 10.42.0.2 lladdr 02:00:00:00:00:77 nud permanent dev {bridge}"),
    Kind("address of the VM that the host answers for", "ip neighbor add proxy 10.42.0.2 dev {bridge}"),
    Kind("IPv6 neighbor that is fixed", "ip -6 neighbor replace fd00::9 lladdr 02:00:00:00:00:77 nud permanent dev {bridge}"),
    Kind("no route", "ip route delete 10.42.0.0/24 dev {bridge}"),
    Kind("a hole in the routes", "ip route add blackhole 10.42.0.2/32"),
    Kind("address of the VM that is the host's own", "ip route add local 10.42.0.2/32 dev lo"),
    Kind("a part of the network behind another guest", "ip route add 10.42.0.0/28 via 10.42.0.9 dev {bridge}"),
    Kind("bridge on which the host does not say where it is", "sysctl -qw net.ipv4.conf.{bridge}.arp_ignore=8"),
    Kind("a hole before the route of the network", "ip route prepend blackhole 10.42.0.0/24"),
    Kind("a hole instead of the route of the network", "ip route delete 10.42.0.0/24 dev {bridge} && ip route add blackhole 10.42.0.0/24"),
    Kind("a hole for some packets", "ip route add blackhole 10.42.0.0/24 tos 0x10"),
    Kind("route of the network with another sender", "ip route change 10.42.0.0/24 dev {bridge} src 127.0.0.1"),
    Kind("route of the network through a guest", "ip route replace 10.42.0.0/24 dev {bridge} via 10.42.0.9 onlink"),
    Kind("a gateway that is not the host's own", "ip route delete local 10.42.0.1 dev {bridge} table local"),
    Kind("no interface on which the host says where it is", "sysctl -qw net.ipv4.conf.all.arp_ignore=8"),
    Kind("a host that asks for no guest", "sysctl -qw net.ipv4.neigh.{bridge}.mcast_solicit=0"),
    Kind("a host that asks once a day", "sysctl -qw net.ipv4.neigh.{bridge}.retrans_time_ms=86400000"),
    Kind("tap without room for a frame", "ip link set {tap} txqueuelen 0"),
    Kind("tap that waits for somebody", "ip link set {tap} state dormant"),
    Kind("tap that will wait for somebody", "ip link set {tap} mode dormant"),
    Kind("a queue in that of the download", "tc qdisc add dev {tap} parent 1:1 handle 2: bfifo limit 1"),
    Kind("a queue in that of the upload", "tc qdisc add dev {detour} parent 1:1 handle 2: bfifo limit 1"),
    Kind("bridge with another alias", "ip link set {bridge} alias somebody"),
    Kind("bridge with another alias and another MAC", "ip link set {bridge} alias somebody address 06:00:00:00:00:99"),
    Kind("tap with another alias", "ip link set {tap} alias somebody"),
    Kind("tap with another alias and another MAC", "ip link set {tap} alias somebody address 06:00:00:00:00:99"),
    Kind("device of the upload with another alias", "ip link set {detour} alias somebody"),
    Kind("no alias at all", "for name in {bridge} {tap} {detour}; do ip link set $name alias ''; done"),
    Kind("no alias and no rules", "for name in {bridge} {tap} {detour}; do ip link set $name alias ''; done; nft flush ruleset"),
    Kind("no download limit", "tc qdisc delete dev {tap} root"),
    Kind("another burst", "tc qdisc replace dev {tap} root handle 1: tbf rate 80mbit burst 900000 limit 660000"),
    Kind("a hook in front of the guard", "tc qdisc add dev {tap} clsact"),
    Kind("no upload limit", "tc qdisc delete dev {detour} root"),
    Kind("no device of the upload", "ip link delete {detour}"),
    Kind("table of taps asleep", "nft 'table netdev herocloud {{ flags dormant; }}'"),
    Kind("table of networks asleep", "nft 'table inet herocloud {{ flags dormant; }}'"),
    Kind("guard with the policy accept", "nft 'chain netdev herocloud {tap} {{ policy accept; }}'"),
    Kind("guard with a hole", "nft insert rule netdev herocloud {tap} accept"),
    Kind("no guard", "nft delete table netdev herocloud"),
    Kind(
        "a chain in front of the guard",
        "nft 'add chain netdev herocloud first {{ type filter hook ingress device {tap} priority -5; policy accept; }}'",
    ),
    Kind("a chain too much", "nft 'add chain inet herocloud more {{ type filter hook forward priority -5; policy drop; }}'"),
    Kind("a set too much", "nft 'add set inet herocloud some {{ type ipv4_addr; }}'"),
    Kind("an open forward chain", "nft flush chain inet herocloud forward-{bridge}"),
    Kind("no published port", "nft flush chain inet herocloud incoming-{bridge}"),
    Kind("no rules at all", "nft flush ruleset"),
    Kind("no forwarding", "sysctl -qw net.ipv4.ip_forward=0"),
    Kind("no forwarding on the bridge", "sysctl -qw net.ipv4.conf.{bridge}.forwarding=0"),
    Kind("no answers to the loopback", "sysctl -qw net.ipv4.conf.{bridge}.route_localnet=0"),
    Kind("VMM stopped by a signal", _send(signal.SIGSTOP, "process")),
    Kind("no socket for changes", _unlink_sockets("qmp.sock")),
    Kind("keeper killed", _send(signal.SIGKILL, "process.keeper")),
    Kind("keeper stopped by a signal", _send(signal.SIGSTOP, "process.keeper")),
    Kind("keeper with other orders", "for file in /run/herocloud/orders/*; do printf 'word\\0-S\\0' >>$file; done"),
    Kind("keeper without orders", "rm /run/herocloud/orders/*"),
    Kind("orders that others may write", "chmod 666 /run/herocloud/orders/*"),
    Kind("VMM out of its control group", _leave_group),
    Kind("control group without a limit on memory", _unlimit("memory.max", "memory.limit_in_bytes")),
    Kind("control group with another limit on processes", _unlimit("pids.max")),
    Kind("no runtime folder of orders", "rm -r /run/herocloud/orders"),
    Kind("keeper that is told to leave it", _write("process.restart", "no\n")),
    Kind("keeper that is told to start it at other times", _write("process.restart", "on-failure\n")),
    Kind("keeper without a policy", lambda host: (host.vm / "vmm/process.restart").unlink()),
    Kind("keeper that is told that it is over", _write("process.stop", "")),
    Kind("keeper that takes every end for an order", lambda host: (host.vm / "vmm/process.signals").unlink()),
    Kind("shell that keeps the log small killed", _send(signal.SIGKILL, "process.bounded-by")),
    Kind("no rules that keep VMMs from the host", "nft delete table inet herocloud-vms"),
    Kind("rules for VMMs that let something through", "nft insert rule inet herocloud-vms output accept"),
    Kind("neither those rules nor what was noted of them", "nft delete table inet herocloud-vms && rm -r /run/herocloud/closed"),
    Kind("a log without a limit", lambda host: (host.vm / "vmm/process.bounds").unlink()),
    Kind("root disk that others may write", "chmod 666 {vm}/root.raw"),
    Kind("root disk of somebody else", "chown 65534 {vm}/root.raw"),
    Kind("root disk of root", "chown 0 {vm}/root.raw"),
    Kind("root disk that its VM may not write", "chmod 400 {vm}/root.raw"),
    Kind("seed that others may read", "chmod 644 {vm}/seed.iso"),
    Kind("seed of a group of others", "chgrp 100 {vm}/seed.iso"),
    Kind("mark that others may write", "chmod 666 {vm}/vmm/machine.json"),
    Kind("owner's name that others may write", "chmod 666 {vm}/owner.json"),
    Kind("serial log that others may write", "chmod 666 {vm}/vmm/serial.log"),
    Kind("serial log that its VM may not write", "chown 0 {vm}/vmm/serial.log"),
    Kind("record of the process of somebody else", "chown 65534 {vm}/vmm/process"),
    Kind("open volume that others may read", "chmod 644 {vm}/../../volumes/shop/data.raw"),
    Kind("open volume of somebody else", "chown 65534 {vm}/../../volumes/shop/data.raw"),
    Kind("folder of a VM that its VM may not pass", "chmod 700 {vm}"),
    Kind("folder of a VM that others may write", "chmod 777 {vm} {vm}/vmm"),
    Kind("folder of VMs that others may write", "chmod 777 {vm}/.."),
    Kind("folder of volumes that others may write", "chmod 777 {vm}/../../volumes"),
    Kind("folder of the volumes of a stack that others may write", "chmod 777 {vm}/../../volumes/shop"),
    Kind("folder of stored images that others may write", "chmod 777 {vm}/../../images/store"),
    Kind("folder of names of images that others may write", "chmod 777 {vm}/../../images/names"),
    Kind("folder of locks that others may write", "chmod 777 {vm}/../../locks"),
    Kind("stored image that others may write", lambda host: _stored(host).chmod(0o666)),
    Kind("spare volume that others may write", lambda host: _spare(host).chmod(0o666)),
    Kind("state that others may write", "chmod 666 {vm}/../../state.db"),
    Kind("state of somebody else", "chown 65534 {vm}/../../state.db"),
    Kind("lineage that others may write", "chmod 666 {vm}/../../state.lineage"),
    Kind("digests of images that others may write", "chmod 666 {vm}/../../images/digests.json"),
    Kind("list of access that lets somebody read the root disk", lambda host: give_access(_root(host), READ)),
    Kind("list of access that lets somebody read the seed", lambda host: give_access(_seed(host), READ)),
    Kind("list of access that lets somebody write to the folder of VMs", lambda host: give_access(host.vm.parent, READ | WRITE | ENTER)),
    Kind("list of access for what is made in a VM's folder", lambda host: give_access(host.vm, READ, OF_NEW)),
    Kind("list of access that lets somebody write the state", lambda host: give_access(host.data / "state.db", WRITE)),
    Kind("users of VMs that others may change", "chmod 777 /run/herocloud/users && chmod 666 /run/herocloud/users/*"),
    Kind("what is noted of rules that others may change", "chmod 777 /run/herocloud/closed && chmod 666 /run/herocloud/closed/*"),
    Kind("lock of the networks that others may hold", "chmod 666 /run/herocloud/network.lock"),
    Kind("nothing said of the users of VMs", "rm -r /run/herocloud/users"),
    Kind("a user that is said to be somebody else's", "for file in /run/herocloud/users/*; do printf /nowhere/x >$file; done"),
    Kind("nothing said of which user a VM runs as", "rm {vm}/vmm/user"),
    Kind("a VM that is said to be root", _write("user", "0 0\n")),
    Kind("a VM that is said to be a user of the host", _write("user", "1000 1000\n")),
    Kind("a VM that is said to be somebody else of the range", _write("user", "1879048999 1879048192\n")),
    Kind("no words that say which user a VM runs as", _write("user", "x\n")),
    Kind("neither its user nor that it is taken", "rm -r {vm}/vmm/user /run/herocloud/users"),
    Kind("nothing said of which process runs a VM", _lose_process("rm {vm}/vmm/process")),
    Kind("nothing said of which process runs a VM, or as whom", _lose_process("rm {vm}/vmm/process {vm}/vmm/user")),
    Kind("no words that say which process runs a VM, or as whom", _lose_process("echo x | tee {vm}/vmm/process >{vm}/vmm/user")),
    Kind(
        "pipes that would say which process runs a VM, and as whom",
        _lose_process("cd {vm}/vmm && rm process user process.restart && mkfifo process user process.restart"),
    ),
    Kind("folders that would say it", _lose_process("cd {vm}/vmm && rm process user && mkdir process user")),
    Kind("nothing that says it anywhere", _lose_process("rm -r {vm}/vmm/process {vm}/vmm/user /run/herocloud/users /run/herocloud/orders")),
    Kind("neither that nor what runs", _lose_process("rm {vm}/vmm/process {vm}/vmm/user {vm}/vmm/machine.json")),
    Kind("a VM that is said to be a process that is gone", _lose_process("sed -i 's/^[0-9]* (/999999999 (/' {vm}/vmm/process")),
    Kind("a VM that is said to be a process of the host", _name_another_process),
    Kind("neither its user nor an owner of its files", "rm {vm}/vmm/user && chown 0 {vm}/root.raw {vm}/vmm/serial.log"),
    Kind("socket that others may use", "chmod 777 /run/herocloud/*/{vm_name}/qmp.sock"),
    Kind("folder of sockets that others may enter", "chmod 777 /run/herocloud/*/{vm_name}"),
    Kind("folder of sockets of root", "chown 0 /run/herocloud/*/{vm_name}"),
    Kind("folder of orders that others may write", "chmod 777 /run/herocloud/orders"),
    Kind("runtime folder that others may write", "chmod 777 /run/herocloud"),
    Kind("seed written into", _rewrite(_seed)),
    Kind("seed swapped", _swap(_seed)),
    Kind("seed removed", _unlink(_seed)),
    Kind("stored image written into", _rewrite(_stored)),
    Kind("stored image removed", _unlink(_stored)),
    Kind("kernel written into", _rewrite(lambda host: host.site.folder / "vmlinuz")),
    Kind("initramfs written into", _rewrite(lambda host: host.site.folder / "initramfs")),
    Kind("spare volume swapped", _swap(_spare)),
    Kind("spare volume cut", _grow),
    Kind("spare volume removed", _unlink(_spare)),
    Kind("an overlay in front of a volume", _told(_OVERLAY.replace("NODE", "n-volume-data"))),
    Kind("an overlay in front of the root disk", _told(_OVERLAY.replace("NODE", "n-root"))),
    Kind(
        "a copy of the root disk that goes on",
        _told(
            '{"execute": "drive-mirror", "arguments": {"job-id": "copy", "device": "limited", "target": "FOLDER/copy.raw", '
            '"sync": "full", "format": "raw"}}'
        ),
    ),
    Kind(
        "a volume that is served to others",
        _told(_SERVER, '{"execute": "nbd-server-add", "arguments": {"device": "n-volume-data"}}'),
    ),
    Kind(
        "a network of QEMU's own with a port",
        _told(
            '{"execute": "netdev_add", "arguments": {"type": "user", "id": "more", "hostfwd": [{"str": "tcp:0.0.0.0:9797-:80"}]}}',
        ),
    ),
    Kind(
        "a filter that writes down what the card hears",
        _told(
            '{"execute": "object-add", "arguments": {"qom-type": "filter-dump", "id": "dump", "netdev": "net-nic-0", '
            '"file": "FOLDER/dump"}}'
        ),
    ),
)


def _link(find: Callable[[Host], Path]) -> Callable[[Host], None]:
    def act(host: Host) -> None:
        path = find(host)
        path.unlink()
        path.symlink_to("/etc/hostname")

    return act


REFUSED = (
    Kind("open volume removed", _unlink(_volume)),
    Kind("open volume swapped", _swap(_volume)),
    Kind("a link instead of an open volume", _link(_volume)),
    Kind("root disk removed", _unlink(_root)),
)
"""What would lose data: the plan refuses, and says how it is saved. Putting the file back heals it."""

HARMLESS = (
    (Kind("VMM with another priority", lambda host: os.setpriority(os.PRIO_PROCESS, host.process(), 5)), "the host's to decide"),
    (Kind("socket folder with a stray file", lambda host: (host.vm / "vmm/stray").touch(mode=0o600)), "nobody reads it"),
    (
        Kind("other actions of QEMU", _told('{"execute": "set-action", "arguments": {"reboot": "shutdown", "watchdog": "poweroff"}}')),
        "the keeper starts it again as `restart` says, and QEMU tells nobody",
    ),
    (Kind("a thread of QEMU's", _told('{"execute": "object-add", "arguments": {"qom-type": "iothread", "id": "more"}}')), "idle"),
    (Kind("a server of disks without a disk", _told(_SERVER)), "it hands out nothing; one apply of anything ends it"),
    (
        Kind("a cable that is pulled", _told('{"execute": "set_link", "arguments": {"name": "nic-0", "up": false}}')),
        "QEMU tells nobody; the next change of the VM plugs it in, and only who may use its socket can pull it",
    ),
    (Kind("a counter without a rule", "nft add counter inet herocloud some"), "it counts nothing"),
    (
        Kind("folder of a VM that others may list", "chmod 755 {vm} {vm}/vmm"),
        "others learn names by that, and files have modes of their own",
    ),
    (Kind("seed with other times", lambda host: os.utime(_seed(host))), "its content is what counts"),
    (Kind("initramfs swapped for a copy", _swap(lambda host: host.site.folder / "initramfs")), "its content is what counts"),
    (Kind("a table of somebody else", "nft add table inet strange"), "it is the host's own firewall, which has its say"),
    (Kind("MAC of the VM learned behind the bridge", "bridge fdb replace {mac} dev {tap} master dynamic"), "the next frame corrects it"),
    (
        Kind("address of the VM with a MAC learned", "ip neighbor replace 10.42.0.2 lladdr 02:00:00:00:00:77 nud stale dev {bridge}"),
        "the host asks again before it relies on it, and the guest's answer corrects it",
    ),
    (Kind("a filter of what the tap hears", "bridge fdb add 02:00:00:00:00:77 dev {tap} self"), "a bridge hears everything by its ports"),
    (
        Kind("another port on the bridge", "ip link add hx0 type veth peer name hx1 && ip link set hx0 master {bridge}"),
        "the host's to decide: guests see it as a neighbor, and the rules of their own cards hold",
    ),
    (
        Kind("a bridge that answers for others", "sysctl -qw net.ipv4.conf.{bridge}.proxy_arp=1"),
        "guests reach it by their gateway too",
    ),
    (
        Kind("a rule that drops what is for the VM", "ip rule add to 10.42.0.2/32 blackhole priority 100"),
        "it is the host's own policy, which has its say as its firewall does",
    ),
    (
        Kind("a route in a table of somebody else", "ip route add blackhole 10.42.0.2/32 table 77"),
        "only a rule of the host leads there",
    ),
    (Kind("a route through the bridge", "ip route add 10.42.0.2/32 dev {bridge}"), "it leads to where the VM is"),
    (Kind("a short queue of the device", "ip link set {tap} txqueuelen 10"), "only root of the host can starve a guest of frames"),
    (Kind("no queue of the device of the upload", "ip link set {detour} txqueuelen 0"), "it takes one frame after the other"),
    (Kind("a small device of the upload", "ip link set {detour} mtu 100"), "frames that come from a tap are as large as they are"),
    (Kind("small bundles of frames", "ip link set {tap} gso_max_size 1000 gso_max_segs 1"), "frames come one by one"),
    (Kind("a tap of a group", "ip link set {tap} group 7"), "a name for commands of the host"),
    (Kind("a tap that hears more", "ip link set {tap} promisc on allmulticast on arp off"), "a port of a bridge hears everything"),
    (Kind("a bridge without multicast", "ip link set {bridge} multicast off"), "the host itself sends to no group, and guests still can"),
    (Kind("a hole behind the route", "ip route append blackhole 10.42.0.0/24"), "the kernel takes the first one"),
    (Kind("a hole of a higher metric", "ip route add blackhole 10.42.0.0/24 metric 50"), "the kernel takes the lowest one"),
    (
        Kind("no route to everybody", "ip route delete broadcast 10.42.0.255 table local"),
        "the host takes nothing that is sent to everybody",
    ),
    (
        Kind("a policy of IPsec", "ip xfrm policy add src 0.0.0.0/0 dst 10.42.0.2/32 dir out action block"),
        "it is the host's own policy, which has its say as its firewall does",
    ),
    (Kind("a neighbor on another interface", "ip neighbor replace 10.42.0.2 lladdr 02:00:00:00:00:77 dev lo"), "no route leads there"),
    (Kind("a strict look at senders", "sysctl -qw net.ipv4.conf.{bridge}.rp_filter=1"), "the way back leads through the bridge"),
    (Kind("an interface that answers for itself", "sysctl -qw net.ipv4.conf.all.arp_filter=1"), "the way back leads through the bridge"),
    (Kind("an answer for few addresses", "sysctl -qw net.ipv4.conf.all.arp_ignore=3"), "the gateway is none of those that are kept back"),
    (Kind("costs of a port", "bridge link set dev {tap} cost 100 priority 5"), "only a spanning tree asks for them, and there is none"),
    (Kind("bridge in promiscuous mode", "ip link set {bridge} promisc on"), "only root of the host can look at what it hears"),
)
"""What does no harm to a guest, to its neighbors or to the host, and why; it may stay unseen."""


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    made: Any = None
    with real_site(tmp_path_factory, "tc", "bridge", "sysctl", groups=True) as site:
        try:
            made = Host(site)
            yield made
        finally:
            if made is not None:
                for stranger in made.strangers:
                    stranger.kill()
                    stranger.wait()
                for record in ("process.keeper", "process"):
                    if (made.vm / "vmm" / record).exists():
                        os.kill(made.process(record), signal.SIGKILL)
            site("destroy", "-y", "-q", "--purge")


def _name(kind: Any) -> str:
    return str(kind.name)


@pytest.mark.parametrize("kind", HEALED, ids=_name)
def test_what_is_tampered_with_shows_and_is_healed_by_one_apply(host: Host, kind: Kind) -> None:
    host.tamper(kind)
    seen = host.site("drift", "--detailed-exitcode")
    assert seen.returncode == 2, seen.stdout + seen.stderr
    host.site.done("apply", "-y", "-q")
    assert host.site.done("plan").strip() == "No changes."


@pytest.fixture(params=[("freezer", "freezer.state", "FROZEN", "THAWED"), ("unified", "cgroup.freeze", "1", "0")], ids=["v1", "v2"])
def frozen(request: Any, host: Host) -> Iterator[Path]:
    """Freeze the VM in a control group of somebody else, of either version."""
    hierarchy, switch, on, off = request.param
    root = Path("/sys/fs/cgroup") / hierarchy
    group = root / f"somebody-{os.getpid()}"
    try:
        group.mkdir()
    except OSError:
        pytest.skip("no group can be made here that freezes")
    try:
        (group / "cgroup.procs").write_text(str(host.process()))
        (group / switch).write_text(on)
        yield group
    finally:
        (group / switch).write_text(off)
        for pid in (group / "cgroup.procs").read_text().split():
            (root / "cgroup.procs").write_text(pid)
        group.rmdir()


@pytest.mark.parametrize("words", [("apply", "-y", "-q"), ("vm", "stop", "web", "--force")], ids=["apply", "stop"])
def test_a_vm_whose_control_group_was_frozen_goes_on(host: Host, frozen: Path, words: tuple[str, ...]) -> None:
    process = host.process()
    assert "its control group is frozen" in host.site("drift").stdout
    host.site.done(*words)
    assert (frozen / "cgroup.procs").read_text() == ""
    if words[0] == "apply":
        assert host.process() == process
    else:
        host.site.done("vm", "start", "web")
    assert host.site.done("plan").strip() == "No changes."


def test_a_vm_comes_back_as_it_was_after_somebody_changed_its_orders(host: Host) -> None:
    before, process = _command(host), host.process()
    host.shell("for file in /run/herocloud/orders/*; do printf 'word\\0-S\\0' >>$file; done")
    assert "machine.keeper" in host.site("drift").stdout
    host.site.done("apply", "-y", "-q")
    assert host.process() == process
    os.kill(process, signal.SIGKILL)
    record = host.vm / "vmm/process"
    wait_until(lambda: (known := identity.read(record)) is not None and known.pid != process, "the VM to come back")
    wait_until(lambda: host.site("plan").stdout.strip() == "No changes.", "the VM to be as it was")
    assert _command(host) == before


def test_rules_for_vmms_outlive_what_is_written_down_about_their_users(host: Host) -> None:
    host.shell("rm -r /run/herocloud/users")
    (host.site.folder / "other.yaml").write_text("stack: other\nvms: {tool: {image: blank, memory: 128 MiB}}\n" + _IMAGE)
    for words in (("apply", "-y", "-q"), ("destroy", "-y", "-q", "--purge")):
        host.site.done("-f", "other.yaml", *words)
        host.shell("rm -rf /run/herocloud/users")
    host.shell("nft list table inet herocloud-vms")
    assert "machine.user" in host.site("drift").stdout
    host.site.done("apply", "-y", "-q")
    assert host.codes() == (0, 0)


@pytest.mark.parametrize("content", [None, "0 0\n", "1879048999 1879048192\n"], ids=["gone", "root", "another"])
def test_a_vm_keeps_its_files_when_nobody_says_any_more_who_it_is(host: Host, content: str | None) -> None:
    written, process = host.vm / "vmm/user", host.process()
    files = (_root(host), _volume(host), _seed(host), host.vm / "vmm/serial.log")
    said, owners = written.read_text(), [(path.stat().st_uid, path.stat().st_gid) for path in files]
    written.unlink() if content is None else written.write_text(content)
    seen = host.site("drift").stdout
    assert "machine.user" in seen
    assert "machine.files" not in seen
    assert "nic.0" not in seen
    host.site.done("apply", "-y", "-q")
    assert (written.read_text(), [(path.stat().st_uid, path.stat().st_gid) for path in files]) == (said, owners)
    assert host.process() == process
    assert host.codes() == (0, 0)
    os.kill(process, signal.SIGKILL)
    record = host.vm / "vmm/process"
    wait_until(lambda: (known := identity.read(record)) is not None and known.pid != process, "the VM to come back")
    wait_until(lambda: host.site("plan").stdout.strip() == "No changes.", "the VM to be as it was")


def _command(host: Host) -> bytes:
    return Path(f"/proc/{host.process()}/cmdline").read_bytes()


@pytest.mark.parametrize("kind", REFUSED, ids=_name)
def test_what_would_lose_data_is_refused_until_the_file_is_put_back(host: Host, kind: Kind) -> None:
    path = _root(host) if "root" in kind.name else _volume(host)
    kept = path.with_name("kept")
    os.link(path, kept)
    try:
        host.tamper(kind)
        seen, applied = host.site("drift", "--detailed-exitcode"), host.site("apply", "-y")
        assert (seen.returncode, applied.returncode) == (2, 1)
        assert "still open as /proc/" in seen.stdout
        assert f"cp --sparse=always /proc/{host.process()}/fd/" in applied.stderr
        if "swapped" not in kind.name:
            assert host.site("vm", "restart", "web").returncode == 1
    finally:
        kept.replace(path)
    assert host.codes() == (0, 0)


CUT = (
    Kind("open root disk cut", lambda host: os.truncate(_root(host), 4 * 1024**2)),
    Kind("open volume cut", lambda host: os.truncate(_volume(host), 4 * 1024**2)),
)
"""What has lost data already: the plan says so, and does not pass zeros for it unasked."""


@pytest.mark.parametrize("kind", CUT, ids=_name)
def test_what_was_cut_under_a_vm_is_said_to_be_lost_until_somebody_accepts_that(host: Host, kind: Kind) -> None:
    path, address = (_root(host), "vm.web") if "root" in kind.name else (_volume(host), "volume.data")
    host.tamper(kind)
    try:
        seen, applied = host.site("drift", "--detailed-exitcode"), host.site("apply", "-y")
        assert (seen.returncode, applied.returncode) == (2, 1)
        assert "size 8 MiB → 4 MiB" in seen.stdout
        assert "cut outside herocloud; what lay beyond is lost" in applied.stdout + applied.stderr
        assert f"`{address}` was cut from 8 MiB to 4 MiB while `vm.web` had it open: what lay beyond is lost" in applied.stderr
        assert f"`truncate -s {8 * 1024**2} {path.relative_to(host.data)}`" in applied.stderr
        assert path.stat().st_size == 4 * 1024**2
        if address == "vm.web":
            assert host.site("plan", "--replace", "vm.web").returncode == 0
    finally:
        os.truncate(path, 8 * 1024**2)
    assert host.codes() == (0, 0)


@pytest.mark.parametrize(("kind", "why"), HARMLESS, ids=lambda value: value.name if isinstance(value, Kind) else "")
def test_what_is_harmless_changes_nothing(host: Host, kind: Kind, why: str) -> None:
    host.tamper(kind)
    assert host.codes() == (0, 0), why


def test_a_look_disturbs_nothing(host: Host) -> None:
    before = host.site.run("nft", "-a", "list", "ruleset").stdout
    assert host.codes() == (0, 0)
    assert host.site.run("nft", "-a", "list", "ruleset").stdout == before
