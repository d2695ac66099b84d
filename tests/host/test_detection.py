"""The machine as the kernel's files tell it."""

import os

import pytest

from herocloud.host import detection
from herocloud.model.hosts import NumaNode, Uplink

GIB = 1024**3
NOWHERE = "0" * 32
IPV6_OUT = f"{NOWHERE} 00 {NOWHERE} 00 fe800000000000000000000000000001 {{metric}} 00000001 00000000 {{flags}} {{name}}"


def detect(machine, folder) -> detection.Detected:
    return detection.detect(folder, proc=machine.proc, sys=machine.sys)


def test_memory_processors_and_uplink_come_from_the_kernel(machine, folder) -> None:
    found = detect(machine, folder)
    assert (found.memory, found.cpus, found.uplink, found.numa) == (32 * GIB, 4, Uplink("eno1", 1_250_000_000), ())
    assert found.name == os.uname().nodename


def test_the_disk_is_the_one_of_the_data_folder(machine, folder) -> None:
    status = os.statvfs(folder)
    found = detect(machine, folder)
    assert found.disk == status.f_blocks * status.f_frsize
    assert 0 < found.disk_free <= found.disk


def test_a_data_folder_that_is_not_there_yet_is_measured_where_it_will_be(machine, folder) -> None:
    assert detect(machine, folder / "not" / "yet").disk == detect(machine, folder).disk


def test_memory_nodes_come_with_their_processors_in_the_order_of_their_numbers(machine, folder) -> None:
    for number, cpus in ((10, "8-9"), (2, "4-7,12"), (0, "0-3")):
        machine.write(f"sys/devices/system/node/node{number}/cpulist", f"{cpus}\n")
        machine.write(f"sys/devices/system/node/node{number}/meminfo", f"Node {number} MemTotal:       {number + 1} kB\n")
    machine.write("sys/devices/system/node/online", "0,2,10\n")
    assert detect(machine, folder).numa == (
        NumaNode(0, (0, 1, 2, 3), 1024),
        NumaNode(2, (4, 5, 6, 7, 12), 3072),
        NumaNode(10, (8, 9), 11264),
    )


def test_the_processors_are_those_of_the_machine_and_not_those_of_this_process(machine, folder) -> None:
    machine.write("sys/devices/system/cpu/online", "0-2,4,6-63\n")
    assert detect(machine, folder).cpus == 62


@pytest.mark.parametrize("speed", ["-1\n", "0\n", "", "unknown\n"])
def test_a_card_that_tells_no_speed_has_none(machine, folder, speed) -> None:
    machine.write("sys/class/net/eno1/speed", speed)
    assert detect(machine, folder).uplink == Uplink("eno1", None)


def test_a_card_whose_speed_cannot_be_read_has_none(machine, folder) -> None:
    (machine.sys / "class/net/eno1/speed").unlink()
    assert detect(machine, folder).uplink == Uplink("eno1", None)


def test_of_several_ways_out_the_one_with_the_lowest_metric_counts(machine, folder) -> None:
    out = "{name}\t00000000\t010200C0\t{flags}\t0\t0\t{metric}\t00000000\t0\t0\t0"
    machine.set_routes(
        out.format(name="wlan0", flags="0003", metric=600),
        out.format(name="eth9", flags="0003", metric=1024),
        out.format(name="down0", flags="0002", metric=1),
        out.format(name="reject0", flags="0201", metric=2),
    )
    assert detect(machine, folder).uplink == Uplink("wlan0", None)


def test_a_host_with_the_newer_protocol_only_has_its_uplink_there(machine, folder) -> None:
    machine.set_routes()
    lines = [
        IPV6_OUT.format(metric="00000400", flags="00000003", name="eno2"),
        IPV6_OUT.format(metric="00000064", flags="00000003", name="eno1"),
        IPV6_OUT.format(metric="00000001", flags="00200200", name="lo"),
        IPV6_OUT.format(metric="00000001", flags="00000201", name="eno3"),
        "fe80" + IPV6_OUT.format(metric="00000001", flags="00000003", name="eno4")[4:],
    ]
    machine.write("proc/net/ipv6_route", "\n".join(lines))
    assert detect(machine, folder).uplink == Uplink("eno1", 1_250_000_000)


def test_a_host_without_a_way_out_has_no_uplink(machine, folder) -> None:
    machine.set_routes()
    assert detect(machine, folder).uplink is None


def test_where_the_kernel_tells_nothing_the_library_is_asked(folder, tmp_path) -> None:
    import psutil

    found = detection.detect(folder, proc=tmp_path / "nowhere", sys=tmp_path / "nowhere")
    assert found.memory == psutil.virtual_memory().total
    assert found.cpus == os.cpu_count()
    assert (found.numa, found.uplink) == ((), None)


def test_what_is_detected_here_is_what_the_library_says(folder) -> None:
    import psutil

    found = detection.detect(folder)
    assert found.memory == psutil.virtual_memory().total
    assert found.cpus == psutil.cpu_count()


@pytest.mark.parametrize(("text", "cpus"), [("0-3,8\n", (0, 1, 2, 3, 8)), ("0\n", (0,)), ("", ()), ("\n", ()), ("0,2,4-5", (0, 2, 4, 5))])
def test_the_kernel_s_way_to_write_processors_is_read(text, cpus) -> None:
    assert detection.parse_cpu_list(text) == cpus
