"""The tiny image boots for real: it takes its seed, answers, runs commands, uses what is plugged in, and goes at the button."""

import base64
import platform
import shutil
import subprocess

import pytest

pytestmark = [pytest.mark.guest, pytest.mark.timeout(300)]

NIC = {"network": "lan", "slot": 0, "mac": "02:00:00:00:00:01", "address": "10.0.2.15", "prefix": 24, "gateway": "10.0.2.2"}
LATER = {"network": "six", "slot": 1, "mac": "02:00:00:00:00:09", "address": "fec0::15", "prefix": 64, "gateway": "fec0::2"}
USER_DATA = """\
#cloud-config
write_files:
  - {path: /opt/deep/plain.txt, content: "two\\nlines é \\"quoted\\"", permissions: "0640"}
runcmd:
  - echo one > /run/one
  - [sh, -c, "echo $0 'two' > /run/two", it's]
"""


@pytest.fixture(scope="module")
def guest(guests, tiny_image, tmp_path_factory, make_seed):
    """Return a guest with a seed and a disk, shared by the tests that only ask it something."""
    folder = tmp_path_factory.mktemp("guest")
    seed = make_seed(folder, hostname="web-1", networks=[NIC, LATER], env={"GREETING": "hello"}, user_data=USER_DATA)
    data = folder / "data.raw"
    with data.open("wb") as stream:
        stream.truncate(64 * 1024**2)
    if shutil.which("mkfs.ext4"):
        subprocess.run(["mkfs.ext4", "-q", str(data)], check=True)
    running = guests.Guest(folder, tiny_image, disks=(seed, data))
    yield running
    running.close()


def test_the_image_is_small(tiny_image) -> None:
    assert tiny_image.initramfs.stat().st_size < 3 * 1024**2
    assert tiny_image.kernel.stat().st_size < 30 * 1024**2


def test_it_says_when_it_is_ready_and_who_it_is(guest) -> None:
    line = guest.wait_for("herocloud-guest ready")
    assert line.startswith("herocloud-guest ready host=web-1 seconds=")


def test_its_card_has_what_the_seed_says(guest) -> None:
    _, said = guest.run("sh", "-c", "ip -4 addr show eth0; ip route; cat /etc/resolv.conf")
    assert "inet 10.0.2.15/24" in said
    assert "default via 10.0.2.2 dev eth0" in said
    assert "nameserver " in said


def test_its_page_answers_through_a_forwarded_port(guest) -> None:
    assert "<p>web-1 is up.</p>" in guest.page()


def test_the_seeds_files_and_commands_are_carried_out(guest) -> None:
    assert guest.run("cat", "/etc/herocloud/env") == (0, 'GREETING="hello"\n')
    assert guest.run("cat", "/opt/deep/plain.txt") == (0, 'two\nlines é "quoted"')
    assert guest.run("stat", "-c", "%a", "/opt/deep/plain.txt") == (0, "640\n")
    assert guest.run("cat", "/run/one", "/run/two") == (0, "one\nit's two\n")


@pytest.mark.skipif(shutil.which("mkfs.ext4") is None, reason="needs mkfs.ext4 (package e2fsprogs)")
def test_a_disk_with_a_file_system_is_mounted(guest) -> None:
    assert guest.run("sh", "-c", "echo kept > /mnt/vdb/file && cat /mnt/vdb/file") == (0, "kept\n")


def test_commands_run_with_arguments_input_environment_and_codes(guest) -> None:
    assert guest.run("printf", "%s|", "a b", "$HOME", 'q"\\', "ü", "") == (0, 'a b|$HOME|q"\\|ü||')
    assert guest.run("sh", "-c", "echo out; echo err >&2; exit 7") == (7, "out\nerr\n")
    coded = base64.b64encode(b"\x00binary\n").decode()
    assert guest.run("od", "-An", "-tx1", **{"input-data": coded}) == (0, " 00 62 69 6e 61 72 79 0a\n")
    assert guest.run("sh", "-c", "echo $NAME", env=["NAME=it's me"]) == (0, "it's me\n")
    assert guest.run("no-such-program")[0] == 127


def test_a_command_that_still_runs_is_told_so_and_its_end_is_told_once(guest) -> None:
    pid = guest.start("sh", "-c", "until [ -e /run/go ]; do usleep 10000; done")
    status = {"execute": "guest-exec-status", "arguments": {"pid": pid}}
    assert guest.agent.ask(**status) == {"return": {"exited": False}}
    guest.run("touch", "/run/go")
    guest.wait_until(lambda: guest.agent.ask(**status).get("return", {}).get("exited"))
    assert guest.agent.ask(**status)["error"]["class"] == "GenericError"


def test_the_agent_says_what_it_knows_and_what_it_does_not(guest) -> None:
    info = guest.agent.ask(execute="guest-info")["return"]
    assert {"guest-exec", "guest-ping", "guest-shutdown"} <= {one["name"] for one in info["supported_commands"]}
    assert guest.agent.ask(execute="guest-get-host-name") == {"return": {"host-name": "web-1"}}
    assert guest.agent.ask(execute="guest-fsfreeze-freeze")["error"]["class"] == "CommandNotFound"


def test_what_is_plugged_in_is_used_by_itself(guest, tmp_path) -> None:
    guest.qmp("device_add", driver="max-x86_64-cpu", id="cpu1", **{"socket-id": 1, "core-id": 0, "thread-id": 0})
    guest.qmp("object-add", **{"qom-type": "memory-backend-ram", "id": "memory1", "size": 128 * 1024**2})
    guest.qmp("device_add", driver="pc-dimm", id="dimm1", memdev="memory1")
    disk = tmp_path / "more.raw"
    with disk.open("wb") as stream:
        stream.truncate(16 * 1024**2)
    guest.qmp("blockdev-add", **{"node-name": "more", "driver": "file", "filename": str(disk)})
    guest.qmp("device_add", driver="virtio-blk-pci", id="disk9", drive="more", bus="slot1")
    guest.qmp("device_add", driver="virtio-net-pci", id="nic9", netdev="second", mac="02:00:00:00:00:09", bus="slot2")
    guest.wait_until(lambda: guest.run("nproc") == (0, "2\n"), what="the second processor")
    guest.wait_until(lambda: int(guest.run("awk", "/MemTotal/ {print $2}", "/proc/meminfo")[1]) > 270_000, what="more memory")
    guest.wait_until(lambda: guest.run("cat", "/sys/block/vdc/size") == (0, "32768\n"), what="the disk")
    # The seed knew of this card before it was there.
    guest.wait_until(lambda: "inet6 fec0::15/64" in guest.run("ip", "addr", "show", "eth1")[1], what="the card")
    guest.qmp("device_del", id="disk9")
    guest.wait_until(lambda: guest.run("test", "-e", "/sys/block/vdc")[0] == 1, what="the disk to go")


def test_memory_that_was_given_can_be_taken_back(guest) -> None:
    def memory() -> int:
        return int(guest.run("awk", "/MemTotal/ {print $2}", "/proc/meminfo")[1])

    before = memory()
    guest.qmp("object-add", **{"qom-type": "memory-backend-ram", "id": "pool", "size": 256 * 1024**2})
    guest.qmp("device_add", driver="virtio-mem-pci", id="given", memdev="pool", bus="slot3", **{"requested-size": 256 * 1024**2})
    guest.wait_until(lambda: memory() > before + 250_000, what="more memory")
    guest.qmp("qom-set", path="/machine/peripheral/given", property="requested-size", value=0)
    guest.wait_until(lambda: guest.qmp("qom-get", path="/machine/peripheral/given", property="size") == 0, what="the memory to go")
    assert memory() < before + 10_000


def test_the_command_line_serves_where_there_is_no_seed(guests, tiny_image, tmp_path) -> None:
    card = "mac=02:00:00:00:00:01;address=10.0.2.15/24;gateway=10.0.2.2;address=5a3::2/64;route=400::/7@5a3::1;mtu=1400"
    guest = guests.Guest(tmp_path, tiny_image, append=f"herocloud.hostname=bare herocloud.nic={card}")
    try:
        assert "host=bare" in guest.wait_for("herocloud-guest ready")
        _, said = guest.run("sh", "-c", "ip addr show eth0; ip -6 route")
        assert "mtu 1400" in said
        assert "inet6 5a3::2/64" in said
        assert "400::/7 via 5a3::1 dev eth0" in said
        assert "bare is up" in guest.page()
        guest.qmp("system_powerdown")
        assert guest.process.wait(timeout=60) == 0
        assert "herocloud-guest stopping host=bare" in guest.console()
    finally:
        guest.close()


def test_the_smallest_machine_of_qemu_is_enough(guests, tiny_image, tmp_path, make_seed) -> None:
    guest = guests.Guest(tmp_path, tiny_image, machine="microvm", disks=(make_seed(tmp_path, hostname="small", networks=[NIC]),))
    try:
        assert "host=small" in guest.wait_for("herocloud-guest ready")
        assert "small is up" in guest.page()
        assert guest.run("hostname") == (0, "small\n")
        guest.qmp("system_powerdown")
        assert guest.process.wait(timeout=60) == 0
    finally:
        guest.close()


def test_the_agent_listens_on_a_console_where_there_is_no_port_of_its_name(guests, tiny_image, tmp_path) -> None:
    guest = guests.Guest(tmp_path, tiny_image, agent="virtconsole", append="herocloud.agent=/dev/hvc0")
    try:
        assert guest.run("seq", "3000")[1].endswith("2999\n3000\n")
        long = base64.b64encode(b"x" * 10_000 + b"\n").decode()
        assert guest.run("wc", "-c", **{"input-data": long}) == (0, "10001\n")
    finally:
        guest.close()


def test_a_visitor_is_answered_after_one_who_left_in_the_middle(guest) -> None:
    guest.agent.close()
    hasty = guest.connect("agent")
    hasty.stream.write(b'{"execute": "guest-')
    hasty.close()
    guest.agent = guest.connect("agent")
    guest.agent.stream.write(b'\xff{"execute": "guest-sync-delimited", "arguments": {"id": 4711}}\n')
    guest.agent.stream.flush()
    while (line := guest.agent.stream.readline()) != b'\xff{"return": 4711}\n':
        assert line, "the agent has hung up"


def test_without_a_word_about_the_console_it_speaks_on_the_first_line_and_the_agent_shuts_it_down(guests, tiny_image, tmp_path) -> None:
    guest = guests.Guest(tmp_path, tiny_image, console="")
    try:
        guest.agent.stream.write(b'{"execute": "guest-shutdown"}\n')
        guest.agent.stream.flush()
        assert guest.process.wait(timeout=60) == 0
    finally:
        guest.close()


@pytest.mark.skipif(platform.machine() != "x86_64", reason="needs an x86-64 processor")
def test_the_agent_listens_on_vsock_as_well(guest) -> None:
    # Nobody is at the other end here; tests of scenarios on Cloud Hypervisor talk to it.
    guest.wait_until(lambda: guest.run("pidof", "listener")[0] == 0, what="the listener")
    assert guest.run("sh", "-c", "readlink /proc/$(pidof listener)/exe") == (0, "/lib/herocloud/listener\n")
    assert "socket:" in guest.run("sh", "-c", "ls -l /proc/$(pidof listener)/fd")[1]
