"""The host of a plan: detected, overridden by its file, each value with its source."""

import pytest

from herocloud.host import machine as machines
from herocloud.model.hosts import Host, Ratios, Uplink
from herocloud.model.words import Severity

GIB, TIB = 1024**3, 1024**4


@pytest.fixture
def make(folder, machine, monkeypatch):
    """Return a function that makes the host of a machine with 2 TiB of disk, of which 500 GiB are free."""
    monkeypatch.setattr(machines.detection, "_disk", lambda _folder: (2 * TIB, 500 * GIB))

    def make_host(text: str = "", recorded: int = 0, **more: object) -> machines.HostAnswer:
        if text:
            (folder / "host.yaml").write_text(text)
        return machines.make_host(folder, recorded, **more, proc=machine.proc, sys=machine.sys)

    return make_host


def test_without_a_file_the_host_is_what_was_detected(make) -> None:
    answer = make()
    host = answer.host
    assert answer.diagnostics == ()
    assert (host.memory, host.disk, host.disk_free, host.cpus, host.uplink) == (
        32 * GIB,
        2 * TIB,
        500 * GIB,
        4,
        Uplink("eno1", 1_250_000_000),
    )
    assert [(one.sid, one.memory, one.disk) for one in host.slices] == [(f"s{number}", 4 * GIB, 292 * GIB) for number in range(1, 8)]
    assert not host.simulated


def test_the_defaults_are_those_of_the_vocabulary(make) -> None:
    host = make().host
    usual = Host("n", 0, 0, 0, 0, ())
    for name in (
        "reserve_memory",
        "reserve_disk",
        "ratios",
        "limit_disk",
        "limit_network",
        "limit_disk_io",
        "image_share",
        "image_keep_free",
    ):
        assert getattr(host, name) == getattr(usual, name)


def test_what_our_own_disks_hold_counts_as_free_but_never_past_the_end(make) -> None:
    assert make(own_bytes=100 * GIB).host.disk_free == 600 * GIB
    assert make(own_bytes=9 * TIB).host.disk_free == 2 * TIB


def test_the_file_overrides_and_every_value_tells_where_it_is_from(make) -> None:
    text = "name: node9\nreserve: {memory: 5 GiB}\noversubscription: {cpu: 8}\nlimits: {network: 1 Gbit/s}\nimages: {share: 0.5}\n"
    host = make(text).host
    assert (host.name, host.reserve_memory, host.ratios, host.limit_network, host.image_share) == (
        "node9", 5 * GIB, Ratios(cpu=8.0), 125_000_000, 0.5,
    )  # fmt: skip
    assert len(host.slices) == 6
    sources = dict(host.sources)
    assert {name for name, source in sources.items() if source == "file"} == {
        "name", "reserve", "reserve.memory", "oversubscription", "oversubscription.cpu",
        "limits", "limits.network", "images", "images.share",
    }  # fmt: skip
    assert {name for name, source in sources.items() if source == "detected"} == {
        "memory", "disk", "disk_free", "cpus", "hugepages", "uplink", "numa",
    }  # fmt: skip
    assert sources["reserve.disk"] == sources["oversubscription.disk"] == "default"


def test_a_simulated_host_has_nothing_of_this_machine_but_what_the_file_leaves_out(make, machine) -> None:
    machine.write("sys/devices/system/node/node0/meminfo", "Node 0 MemTotal: 1 kB\n")
    host = make("simulated: {memory: 256 GiB, disk: 8 TiB, cpus: 64, uplink: 10 Gbit/s}").host
    assert (host.simulated, host.memory, host.disk, host.disk_free, host.cpus) == (True, 256 * GIB, 8 * TIB, 8 * TIB, 64)
    assert (host.numa, host.uplink.speed, len(host.slices)) == ((), 1_250_000_000, 63)
    host = make("simulated: {memory: 64 GiB}").host
    assert (host.simulated, host.memory, host.disk, host.cpus, host.uplink) == (True, 64 * GIB, 2 * TIB, 4, None)


def test_huge_pages_are_those_set_aside_or_those_of_the_file(make, machine) -> None:
    assert make().host.hugepages == 0
    machine.write("proc/meminfo", "MemTotal: 33554432 kB\nHugePages_Total:     512\nHugepagesize:       2048 kB\n")
    assert make().host.hugepages == GIB
    assert make("simulated: {memory: 64 GiB}").host.hugepages is None
    host = make("simulated: {memory: 64 GiB, hugepages: 16 GiB}").host
    assert (host.hugepages, dict(host.sources)["hugepages"]) == (16 * GIB, "file")


def test_a_host_too_small_for_a_slice_has_none_and_says_so(make, machine) -> None:
    machine.set_memory(4 * GIB)
    answer = make()
    assert answer.host.slices == ()
    assert [(one.code, one.severity) for one in answer.diagnostics] == [("host-too-small", Severity.WARNING)]


def test_a_host_that_grew_has_more_slices(make, machine) -> None:
    machine.set_memory(64 * GIB)
    answer = make(recorded=7)
    assert (len(answer.host.slices), answer.diagnostics) == (15, ())


def test_a_host_that_shrank_warns_and_keeps_the_slices_in_use(make) -> None:
    answer = make("reserve: {memory: 12 GiB}", 7, in_use=["s7", "s2"])
    assert [one.sid for one in answer.host.slices] == ["s1", "s2", "s3", "s4", "s7"]
    assert [one.code for one in answer.diagnostics] == ["host-fewer-slices"]


def test_settings_and_the_simulator_s_come_along(make, folder) -> None:
    answer = make("settings: {lock_timeout: 5 s, refresh: false}\nsimulator: {scenario: ./bad.yaml, step_time: 20 ms}")
    assert answer.settings == {"lock-timeout": "5 s", "refresh": "false"}
    assert answer.providers == {"simulator": {"scenario": folder / "bad.yaml", "step_time": 0.02}}
    assert make("name: a").providers == {}


def test_a_wrong_file_gives_no_host(make) -> None:
    answer = make("reserve: {memory: lots}")
    assert (answer.host, answer.settings) == (None, {})
    assert [one.code for one in answer.diagnostics] == ["bad-size"]


def test_this_very_machine_can_be_described(tmp_path) -> None:
    host = machines.make_host(tmp_path, 0).host
    assert host.memory > 0
    assert host.disk >= host.disk_free > 0
    assert host.cpus >= 1


def test_the_catalogue_is_seen_from_the_data_folder(make, folder) -> None:
    assert make().host.image_catalogue is None
    assert make("images: {catalogue: ./catalogue.yaml}\n").host.image_catalogue == str(folder / "catalogue.yaml")
