"""The resources that come out: complete specs, in order, with everything that they need."""

import pytest

GIB = 1024**3
_HEAD = "stack: shop\nimages: {tiny: {kernel: ./vmlinuz}, disk: {source: ./disk.raw}}\n"


@pytest.fixture
def spec(sound, folder):
    """Return the spec of the VM `web` with these fields."""
    (folder / "disk.raw").write_text("disk")

    def run(fields: str, head: str = ""):
        resources = sound(f"{_HEAD}{head}vms:\n  web: {fields}\n").resources
        return next(one for one in resources if one.name == "web").spec

    return run


def test_a_vm_that_says_nothing_has_every_default(spec) -> None:
    assert spec("{image: tiny}") == {
        "hypervisor": "auto", "image": "tiny", "slices": None, "slice": None, "vcpus": 1, "memory": None,
        "cpu": {"max": None, "affinity": None, "topology": None},
        "memory_options": {"hugepages": False, "mergeable": False, "hotplug": None},
        "root_disk": None, "volumes": [], "shares": [], "networks": [], "mycelium": None, "ssh_keys": [], "user_data": None,
        "env": {}, "labels": {}, "secrets": {}, "restart": "no", "state": "running",
    }  # fmt: skip


def test_a_vm_that_says_everything_keeps_it(sound, mistakes, folder) -> None:
    desired = sound(mistakes.SOUND, environment=mistakes.ENVIRONMENT, secret_key=b"k" * 32)
    (db,) = (one for one in desired.resources if one.address == "vm.db")
    assert db.depends_on == ("image.debian12", "network.lan", "network.dmz", "volume.pgdata", "mycelium.node")
    digest = db.spec["secrets"]["password"].pop("digest")
    assert len(digest) == 32
    assert db.spec == {
        "hypervisor": "auto", "image": "debian12", "slices": None, "slice": ["s5", "s6"], "vcpus": 4, "memory": 7 * GIB,
        "cpu": {"max": 8, "affinity": [[0, 1], [2, 3]], "topology": {"threads": 1, "cores": 8, "dies": 1, "packages": 1}},
        "memory_options": {"hugepages": False, "mergeable": False, "hotplug": None},
        "root_disk": {"size": 40 * GIB, "direct": False, "rate": {"bandwidth": 250_000_000, "burst": None, "iops": 5000}},
        "volumes": [{"volume": "pgdata", "readonly": False}], "shares": [{"path": str(folder / "shared"), "tag": "shared"}],
        "networks": [{"network": "lan", "rate": None}, {"network": "dmz", "rate": None}], "mycelium": {"seed": "0a1b2c3d4e5f"},
        "ssh_keys": [], "user_data": None, "env": {}, "labels": {}, "secrets": {"password": {"env": "DB_PASSWORD"}},
        "restart": "on-failure", "state": "running",
    }  # fmt: skip


def test_resources_come_in_the_order_in_which_they_need_each_other(sound, mistakes) -> None:
    kinds = [one.kind for one in sound(mistakes.SOUND, environment=mistakes.ENVIRONMENT).resources]
    assert kinds == sorted(kinds, key=["image", "network", "mycelium", "peer", "volume", "vm"].index)


def test_an_image_knows_its_absolute_paths_and_its_defaults(sound, folder) -> None:
    (folder / "disk.raw").write_text("disk")
    images = {one.name: one.spec for one in sound(_HEAD).resources}
    assert images["tiny"] == {
        "source": None, "sha256": None, "unpinned": False, "decompress": "none", "format": None, "nocloud": False, "aliases": [],
        "kernel": str(folder / "vmlinuz"), "initramfs": None, "cmdline": None,
    }  # fmt: skip
    assert images["disk"]["source"] == str(folder / "disk.raw")
    assert images["disk"]["nocloud"] is True


def test_a_root_disk_is_there_for_a_disk_image_or_when_asked(spec) -> None:
    assert spec("{image: disk}")["root_disk"] == {"size": None, "direct": False, "rate": None}
    assert spec("{image: tiny, root_disk: {}}")["root_disk"] == {"size": None, "direct": False, "rate": None}


@pytest.mark.parametrize(("written", "room"), [("0", 0), ("0 GiB", 0), ("0 B", 0), ("1 GiB", GIB)])
def test_room_to_grow_may_be_none(spec, written: str, room: int) -> None:
    assert spec(f"{{image: tiny, memory: 1 GiB, memory_options: {{hotplug: {written}}}}}")["memory_options"]["hotplug"] == room


def test_rates_become_bytes_a_second(spec) -> None:
    fields = "{image: tiny, networks: [{network: lan, rate: {download: 100 Mbit/s}}]}"
    assert spec(fields, "networks: {lan: {cidr: 10.0.0.0/24}}\n")["networks"] == [
        {"network": "lan", "rate": {"download": 12_500_000, "upload": None}}
    ]


@pytest.mark.parametrize(("written", "meant"), [("s5", ["s5"]), ("[s5, s6]", ["s5", "s6"])])
def test_one_slice_may_be_written_without_a_list(spec, written, meant) -> None:
    assert spec(f"{{image: tiny, slice: {written}}}")["slice"] == meant


@pytest.mark.parametrize(
    ("written", "meant"), [("true", {"seed": None}), ("false", None), ("{seed: 0A1B2C3D4E5F}", {"seed": "0a1b2c3d4e5f"})]
)
def test_the_overlay_is_a_switch_or_a_seed(spec, written, meant) -> None:
    assert spec(f"{{image: tiny, mycelium: {written}}}")["mycelium"] == meant


def test_a_seed_of_digits_alone_is_no_number(spec) -> None:
    assert spec("{image: tiny, mycelium: {seed: 010203040506}}")["mycelium"] == {"seed": "010203040506"}
    assert spec("{image: tiny, mycelium: {seed: 1234567890e1}}")["mycelium"] == {"seed": "1234567890e1"}


def test_numbers_in_env_and_labels_are_kept_as_they_are_written(spec) -> None:
    assert spec("{image: tiny, env: {PORT: 8080, VERSION: 1.10, MODE: 0o17}}")["env"] == {"PORT": "8080", "VERSION": "1.10", "MODE": "0o17"}


def test_null_is_as_good_as_nothing(spec) -> None:
    assert spec("{image: tiny, memory: null, networks: null, cpu: ~}") == spec("{image: tiny}")


def test_the_overlay_node_appears_only_when_somebody_uses_it(sound) -> None:
    assert [one.kind for one in sound(f"{_HEAD.replace(', disk: {source: ./disk.raw}', '')}vms: {{web: {{image: tiny}}}}").resources] == [
        "image",
        "vm",
    ]
    with_overlay = sound(f"{_HEAD.replace(', disk: {source: ./disk.raw}', '')}vms: {{web: {{image: tiny, mycelium: true}}}}").resources
    assert [(one.address, one.spec) for one in with_overlay if one.kind == "mycelium"] == [
        ("mycelium.node", {"addresses": True, "mode": "host", "daemon": "auto", "key": {"name": "host"}, "interfaces": []})
    ]


def test_ports_of_the_host_that_are_opened_belong_to_the_node_and_others_leave_no_trace(sound) -> None:
    head = _HEAD.replace(", disk: {source: ./disk.raw}", "")
    opened = sound(f"{head}mycelium: {{host_open: [53/udp, 22, 22/tcp]}}\nvms: {{web: {{image: tiny}}}}").resources
    assert [one.spec["host_open"] for one in opened if one.kind == "mycelium"] == [["22/tcp", "53/udp"]]
    closed = sound(f"{head}mycelium: {{host_open: []}}\nvms: {{web: {{image: tiny}}}}").resources
    assert ["host_open" in one.spec for one in closed if one.kind == "mycelium"] == [False]


def test_every_resource_of_a_small_file_knows_its_line(sound, mistakes) -> None:
    desired = sound(mistakes.SOUND, environment=mistakes.ENVIRONMENT)
    lines = mistakes.SOUND.split("\n")
    for one in desired.resources:
        assert one.place is not None
        if one.kind != "mycelium":
            assert one.name in lines[one.place.line - 1]


def test_a_provider_is_the_hypervisor_of_the_vm(sound, mistakes) -> None:
    providers = {one.address: one.provider for one in sound(mistakes.SOUND, environment=mistakes.ENVIRONMENT).resources}
    assert providers["vm.cache"] == "simulator"
    assert providers["vm.db"] == providers["network.lan"] == "auto"
