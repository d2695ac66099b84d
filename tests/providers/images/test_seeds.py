"""A seed is a disk that cloud-init finds and understands: other programs read it back, and cloud-init's own tools accept it."""

import json
import shutil
import subprocess

import pytest

from herocloud.model.errors import Conflict, Permanent
from herocloud.providers.images import network_config
from herocloud.providers.seam import Found

OVERLAY = {"slot": 1, "mac": "02:00:00:00:00:02", "address": "5a3:1:2:3:ff0f:102:304:506"}
RICH = {
    "ssh_keys": ["ssh-ed25519 AAAAC3Nz me@example"],
    "env": {"GREETING": 'say "$HI"', "PLAIN": "x"},
    "mycelium": OVERLAY,
    "user_data": "#cloud-config\npackages: [nginx]\nruncmd:\n  - [systemctl, start, nginx]\n",
}


def write(bench, shapes, environment=None, **fields):
    """Write a seed; returns the image."""
    bench.perform("seed.write", "vm.web", "seed", None, shapes.SEED, spec=shapes.spec(**fields))
    return bench.folder / "vms/v1/seed.iso"


def isoinfo(path, name, *flags):
    return subprocess.run(["isoinfo", *flags, "-i", str(path), "-x", f"/{name}"], check=True, capture_output=True).stdout


def bsdtar(path, name):
    return subprocess.run(["bsdtar", "-xOf", str(path), name], check=True, capture_output=True).stdout


def xorriso(path, name):
    command = ["xorriso", "-osirrox", "on", "-indev", str(path), "-concat", "append", "-", f"/{name}", "--"]
    return subprocess.run(command, check=True, capture_output=True).stdout


READERS = {
    "isoinfo": [pytest.param(lambda path, name: isoinfo(path, name, "-R"), id="isoinfo, Rock Ridge"),
                pytest.param(lambda path, name: isoinfo(path, name, "-J"), id="isoinfo, Joliet")],
    "bsdtar": [pytest.param(bsdtar, id="bsdtar")],
    "xorriso": [pytest.param(xorriso, id="xorriso")],
}  # fmt: skip
PACKAGES = {"isoinfo": "genisoimage", "bsdtar": "libarchive-tools", "xorriso": "xorriso"}
ALL_READERS = [
    pytest.param(
        *one.values, id=one.id, marks=pytest.mark.skipif(shutil.which(name) is None, reason=f"needs {name} (package {PACKAGES[name]})")
    )
    for name, readers in READERS.items()
    for one in readers
]
needs_cloud_init = pytest.mark.skipif(shutil.which("cloud-init") is None, reason="needs cloud-init (package cloud-init)")


def any_reader():
    """Return a reader that is there, for tests that are about something else."""
    for name, readers in READERS.items():
        if shutil.which(name):
            return readers[0].values[0]
    return pytest.skip("needs a program that reads ISO images: isoinfo, bsdtar or xorriso")


@pytest.mark.parametrize("reader", ALL_READERS)
def test_another_program_reads_back_what_was_written(bench, shapes, reader) -> None:
    path = write(bench, shapes, **RICH)
    assert json.loads(reader(path, "meta-data")) == {"instance-id": "v1-00000001", "local-hostname": "web"}
    assert reader(path, "user-data").startswith(b"#cloud-config\n")
    assert json.loads(reader(path, "network-config"))["version"] == 2


@pytest.mark.skipif(shutil.which("isoinfo") is None, reason="needs isoinfo (package genisoimage)")
def test_the_label_is_the_one_that_cloud_init_looks_for(bench, shapes) -> None:
    said = subprocess.run(["isoinfo", "-d", "-i", str(write(bench, shapes))], check=True, capture_output=True, text=True).stdout
    assert "Volume id: cidata\n" in said
    assert "Rock Ridge signatures version 1 found" in said
    assert "Joliet with UCS level 3 found" in said
    listed = subprocess.run(
        ["isoinfo", "-R", "-l", "-i", str(bench.folder / "vms/v1/seed.iso")], check=True, capture_output=True, text=True
    ).stdout
    # Nobody but the guest's root may read what may hold secrets.
    assert [line.split()[0] for line in listed.splitlines() if line.endswith(("-data ", "-config "))] == ["-r--------"] * 3


@needs_cloud_init
def test_cloud_init_accepts_the_user_data(bench, shapes, tmp_path) -> None:
    read = any_reader()
    (tmp_path / "user-data").write_bytes(read(write(bench, shapes, **RICH), "user-data"))
    ran = subprocess.run(
        ["cloud-init", "schema", "--config-file", str(tmp_path / "user-data")], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "Valid cloud-config" in ran.stdout


@needs_cloud_init
def test_cloud_inits_validator_would_refuse_a_wrong_one(tmp_path) -> None:
    (tmp_path / "user-data").write_text("#cloud-config\nhostname: [web]\n")
    ran = subprocess.run(
        ["cloud-init", "schema", "--config-file", str(tmp_path / "user-data")], capture_output=True, text=True, check=False
    )
    assert ran.returncode != 0


@needs_cloud_init
@pytest.mark.parametrize(
    ("renderer", "file"), [("netplan", "etc/netplan/50-cloud-init.yaml"), ("eni", "etc/network/interfaces.d/50-cloud-init")]
)
def test_cloud_init_understands_the_network(bench, shapes, tmp_path, renderer, file) -> None:
    read = any_reader()
    (tmp_path / "net").write_bytes(read(write(bench, shapes, **RICH), "network-config"))
    command = ["cloud-init", "devel", "net-convert", "-p", str(tmp_path / "net"), "-k", "yaml", "-d", str(tmp_path / "out"), "-D", "debian"]
    command += ["-O", renderer, "-m", "eth0,02:00:00:00:00:01", "-m", "eth1,02:00:00:00:00:02"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    said = (tmp_path / "out" / file).read_text()
    for word in ("10.42.0.2/24", "10.42.0.1", "5a3:1:2:3:ff0f:102:304:506/64", "5a3:1:2:3::1", "1400"):
        assert word in said, said


def test_cards_are_matched_by_mac_with_their_addresses_and_routes(shapes) -> None:
    second = {"network": "back", "slot": 2, "mac": "02:00:00:00:00:03", "address": "10.43.1.9", "prefix": 16, "gateway": "10.43.0.1"}
    networks = [*shapes.spec()["networks"], second]
    config = network_config.network_config("vm.web", shapes.spec(networks=networks, mycelium=OVERLAY), ["192.0.2.53"])
    assert {name: card["match"] for name, card in config["ethernets"].items()} == {
        "eth0": {"macaddress": "02:00:00:00:00:01"},
        "eth2": {"macaddress": "02:00:00:00:00:03"},
        "eth1": {"macaddress": "02:00:00:00:00:02"},
    }
    first, second, overlay = config["ethernets"].values()
    assert (first["addresses"], first["routes"]) == (["10.42.0.2/24"], [{"to": "0.0.0.0/0", "via": "10.42.0.1"}])
    assert first["nameservers"] == {"addresses": ["192.0.2.53"]}
    # Only the first network leads out; two default routes would fight.
    assert second["addresses"] == ["10.43.1.9/16"]
    assert "routes" not in second
    assert (overlay["addresses"], overlay["mtu"]) == (["5a3:1:2:3:ff0f:102:304:506/64"], 1400)
    assert overlay["routes"] == [{"to": "400::/7", "via": "5a3:1:2:3::1"}]


def test_a_plan_that_does_not_know_the_prefix_is_refused_before_anything_is_written(bench, shapes) -> None:
    nic = {"network": "lan", "slot": 0, "mac": "02:00:00:00:00:01", "address": "10.42.0.2"}
    with pytest.raises(Permanent, match="does not say the prefix and the gateway of network `lan`"):
        write(bench, shapes, networks=[nic])
    assert bench.files() == []


def test_name_servers_are_those_that_a_guest_can_reach(tmp_path) -> None:
    local, real = tmp_path / "local", tmp_path / "real"
    local.write_text("nameserver 127.0.0.53\nnameserver fe80::1%eth0\noptions edns0\n")
    real.write_text("# servers\nnameserver 192.0.2.1\nnameserver nonsense\nnameserver 2001:db8::1\nnameserver 192.0.2.1\nsearch example\n")
    assert network_config.find_servers((str(local), str(real))) == ("192.0.2.1", "2001:db8::1")
    assert network_config.find_servers((str(local), str(tmp_path / "nothing"))) == network_config.PUBLIC


def test_a_seed_that_is_written_again_can_be_taken_back(bench, shapes) -> None:
    path = write(bench, shapes)
    first = path.read_bytes()
    step = ("seed.write", "vm.web", "seed", shapes.SEED, {**shapes.SEED, "digest": "2"})
    bench.perform(*step, spec=shapes.spec(hostname="other"))
    assert path.read_bytes() != first
    bench.undo(*step, spec=shapes.spec(hostname="other"))
    assert path.read_bytes() == first
    assert bench.probe(*step).found is Found.NOT_STARTED


def test_a_seed_that_was_removed_is_written_again_from_its_target(bench, shapes) -> None:
    read = any_reader()
    path = write(bench, shapes, **RICH)
    before = read(path, "user-data")
    step = ("seed.delete", "vm.web", "seed", shapes.SEED, None)
    bench.perform(*step, spec=shapes.spec(**RICH))
    assert bench.files() == []
    bench.undo(*step, spec=shapes.spec(**RICH))
    assert read(path, "user-data") == before


def test_a_seed_of_another_address_is_in_the_way(bench, shapes) -> None:
    write(bench, shapes)
    with pytest.raises(Conflict, match=r"belongs to `vm\.web` of stack `shop`"):
        bench.perform("seed.write", "vm.other", "seed", None, shapes.SEED, spec=shapes.spec())
