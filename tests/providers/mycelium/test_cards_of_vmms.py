"""A VM's card on the overlay is the same under every hypervisor: tap, MAC, MTU, filters, and the seed that sets it up inside."""

import io
import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.providers.network import dumps

pytestmark = [pytest.mark.root, pytest.mark.timeout(240)]

TESTS = Path(__file__).parents[2]
SEED = "0a1b2c3d4e5f"
STACK = f"""\
stack: cards
defaults: {{image: tiny, memory: 256 MiB}}
images: {{tiny: {{nocloud: true, kernel: ./vmlinuz, initramfs: ./initramfs, cmdline: guest=lively}}}}
mycelium: {{}}
vms:
  web: {{mycelium: {{seed: {SEED}, open: [22]}}}}
"""


@pytest.fixture(params=["standin"])
def daemon_kind(request: Any) -> str:
    """Run with the stand-in of the daemon: what is looked at here is made by others."""
    return str(request.param)


@pytest.fixture
def operated(host: Any) -> Any:
    """Return a host with stand-ins for both VMMs, managed by the command line."""
    if not Path("/dev/kvm").exists():
        pytest.skip("needs /dev/kvm, without which no plan chooses Cloud Hypervisor")
    shutil.copytree(TESTS / "providers/cloud_hypervisor/stand_in", host.programs / "stand_in")
    (host.programs / "cloud-hypervisor").symlink_to(host.programs / "stand_in/cloud-hypervisor")
    program = host.programs / "qemu-system-x86_64"
    program.write_text(f"#!{sys.executable}\n{(TESTS / 'stand_in_vmm.py').read_text(encoding='utf-8')}", encoding="utf-8")
    program.chmod(0o755)
    (host.programs / "plays").write_text("fine", encoding="utf-8")
    host.become_whole()
    (host.folder / "stack.yaml").write_text(STACK)
    for name in ("vmlinuz", "initramfs"):
        (host.folder / name).write_text("not a kernel")
    host.herocloud("mycelium", "key", "create", "host")
    return host


def _card(host: Any, hypervisor: str) -> dict[str, Any]:
    """Run the VM under a hypervisor and write down all there is of its card."""
    host.run_guests()
    host.settings = {"HEROCLOUD_HYPERVISOR": hypervisor, "HEROCLOUD_ACCELERATOR": "tcg" if hypervisor == "qemu" else "auto"}
    host.herocloud("apply", "-y")
    (tap,) = [one for one in json.loads(host.on_host("ip -d -j link show type tun")) if one["ifname"].startswith("hc-")]
    (vm,) = (host.folder / "vms").iterdir()
    card = {
        "mac": _mac_of_vmm(host, vm.name, hypervisor, tap["ifname"]),
        "tap": {key: tap[key] for key in ("ifname", "mtu", "master", "ifalias")},
        "isolated": tap["linkinfo"]["info_slave_data"]["isolated"],
        "rules": dumps.without_table_of_all_vms(host.on_host("nft list ruleset")),
        "proxies": host.on_host("ip -6 neighbour show proxy"),
        "seed": _read_seed(vm / "seed.iso"),
    }
    host.herocloud("destroy", "-y", "--purge")
    return card


def _mac_of_vmm(host: Any, sid: str, hypervisor: str, tap: str) -> str:
    """Return the MAC that the VMM was told for this tap."""
    from herocloud.providers.vmm import folders

    if hypervisor == "qemu":
        (words,) = [words for words in host.processes() if f'"ifname":"{tap}"' in words]
        return str(re.findall(r'"mac":"([0-9a-f:]+)"', words)[0])
    from herocloud.providers.cloud_hypervisor.client import Client

    client = Client(next((folders.runtime_root(host.folder) / sid).glob("api.sock")), timeout=20)
    (net,) = client.info()["config"]["net"]
    client.close()
    assert net["tap"] == tap
    return str(net["mac"])


def _read_seed(path: Path) -> dict[str, Any]:
    import pycdlib

    iso = pycdlib.PyCdlib()
    iso.open(str(path))
    found = {}
    for name in ("user-data", "network-config", "meta-data"):
        out = io.BytesIO()
        iso.get_file_from_iso_fp(out, joliet_path=f"/{name}")
        found[name] = out.getvalue().decode()
    iso.close()
    return found


def test_both_vmms_get_the_same_card_and_the_same_seed(operated: Any) -> None:
    before = operated.dump()
    cards = {name: _card(operated, name) for name in ("qemu", "cloud-hypervisor")}
    assert cards["qemu"] == cards["cloud-hypervisor"]
    card = cards["qemu"]
    prefix = operated.order({"verb": "subnet", "name": "host"}).removesuffix("::/64")
    address = f"{prefix}:ff0f:a1b:2c3d:4e5f"
    assert (card["tap"]["mtu"], card["tap"]["master"], card["isolated"]) == (1400, "hb-mycelium", True)
    assert card["tap"]["ifalias"].endswith(f"{card['mac']} {address} mycelium")
    assert f"ip6 saddr {address} accept" in card["rules"]
    assert f"ip6 daddr {address} tcp dport 22 accept" in card["rules"]
    assert address in card["proxies"]
    (inside,) = json.loads(card["seed"]["network-config"])["ethernets"].values()
    assert inside == {
        "match": {"macaddress": card["mac"]},
        "set-name": "eth0",
        "dhcp4": False,
        "dhcp6": False,
        "accept-ra": False,
        "mtu": 1400,
        "addresses": [f"{address}/64"],
        "routes": [{"to": "400::/7", "via": f"{prefix}::1"}],
    }
    assert operated.changes_since(before) == []
