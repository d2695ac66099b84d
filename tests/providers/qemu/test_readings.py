"""Answers as QEMU gives them, and what is read from them: disks that lead elsewhere, and what a machine has beyond its own."""

import pytest

from herocloud.providers.qemu import additions, block_nodes, open_ports, queries
from herocloud.providers.qemu.additions import Additions
from herocloud.providers.qemu.command_line import Nic
from herocloud.providers.qemu.open_ports import Port

_DATA = "/var/lib/herocloud"
_ROOT, _SEED, _VOLUME = f"{_DATA}/vms/v1/root.raw", f"{_DATA}/vms/v1/seed.iso", f"{_DATA}/volumes/shop/data.raw"
_LIMITED = f'json:{{"throttle-group": "limits", "driver": "throttle", "file": {{"driver": "raw", "file": "{_ROOT}"}}}}'
_OVER = "/run/herocloud/0a1b/v1/over.qcow2"


def _node(name: str, driver: str, file: str) -> dict[str, object]:
    return {"node-name": name, "drv": driver, "file": file, "ro": False, "backing_file_depth": 0, "image": {"filename": file}}


SOUND = [
    _node("n-volume-data", "raw", _VOLUME),
    _node("#block283", "file", _VOLUME),
    _node("n-seed", "raw", _SEED),
    _node("#block172", "file", _SEED),
    _node("limited", "throttle", _LIMITED),
    _node("n-root", "raw", _ROOT),
    _node("#block095", "file", _ROOT),
    _node("firmware-code", "file", "/usr/share/OVMF/OVMF_CODE.fd"),
]
_TOPS = {"root": "limited", "seed": "n-seed", "volume-data": "n-volume-data"}
_OVERLAY = [_node("over", "qcow2", _OVER), _node("#block643", "file", _OVER)]


def _flaw(nodes: list[dict[str, object]], **tops: str) -> str:
    return block_nodes.flaw(nodes, {device: {"node-name": name} for device, name in {**_TOPS, **tops}.items()})


def test_disks_as_they_were_given_have_no_flaw() -> None:
    assert _flaw(SOUND) == ""
    # The seed was written again for a card that was plugged in.
    renewed = [_node(str(node["node-name"]).replace("n-seed", "n-seed-2f"), str(node["drv"]), str(node["file"])) for node in SOUND]
    assert _flaw(renewed, seed="n-seed-2f") == ""
    assert block_nodes.flaw([], {}) == "", "one that does not tell of its nodes is believed"


@pytest.mark.parametrize(
    ("nodes", "tops", "word"),
    [
        ([*_OVERLAY, *SOUND], {"volume-data": "over"}, f"{_OVER} (qcow2)"),
        ([*_OVERLAY, *SOUND], {}, f"{_OVER} (qcow2)"),
        ([*SOUND, _node("slow", "throttle", _LIMITED)], {"volume-data": "slow"}, "slow (throttle)"),
        (
            [*SOUND[2:], _node("n-volume-data", "raw", "/elsewhere/x.raw"), _node("#block1", "file", "/elsewhere/x.raw")],
            {},
            "/elsewhere/x.raw (raw)",
        ),
        ([*SOUND[2:], _node("n-volume-data", "qcow2", _VOLUME), _node("#block1", "file", _VOLUME)], {}, f"{_VOLUME} (qcow2)"),
        ([*SOUND, _node("#block9", "file", "/elsewhere/copy.raw")], {}, "/elsewhere/copy.raw (file)"),
        (SOUND, {"root": "n-root"}, "root behind n-root"),
        ([*SOUND, *(_node(f"n{number}", "raw", f"/{number}") for number in range(5))], {}, "/0 (raw), /1 (raw), /2 (raw) and 2 more"),
    ],
)
def test_disks_that_lead_elsewhere_are_told(nodes, tops, word) -> None:
    assert _flaw(nodes, **tops) == word


_NETWORKS = (
    "nic-0: index=0,type=nic,model=virtio-net-pci,macaddr=52:54:00:12:34:56\r\n"
    " \\ net-nic-0: index=0,type=tap,ifname=hc-v1-0,script=no,downscript=no\r\n"
    "nic-0: index=1,type=nic,model=virtio-net-pci,macaddr=52:54:00:12:34:56\r\n"
    " \\ net-nic-0: index=1,type=tap,ifname=hc-v1-0,script=no,downscript=no\r\n"
)
_EXPORT = {"node-name": "n-volume-data", "shutting-down": False, "type": "nbd", "id": "e"}


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ([[], _NETWORKS], ""),
        ([None, None], ""),
        ([[_EXPORT], _NETWORKS], "n-volume-data exported by nbd"),
        ([[], f"{_NETWORKS}evil: index=0,type=user,net=10.0.2.0,restrict=off\r\n"], "network evil (user)"),
        (
            [[], f"{_NETWORKS}filters:\r\n  - dump: type=filter-dump,file=/elsewhere/dump,maxlen=65536\r\n"],
            "filter dump (filter-dump)",
        ),
        ([[{"id": 7}], _NETWORKS], ""),
        (["x", 7], ""),
    ],
)
def test_what_a_machine_has_beyond_its_own_is_told(answers, words) -> None:
    assert additions.read(answers).beyond(["nic.0"]).words == words


_PORTS = (
    "Hub -1 (net-nic-0):\r\n"
    "  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ\r\n"
    "  TCP[HOST_FORWARD]  17       127.0.0.1  9798       10.0.2.15    80     0     0\r\n"
    "  UDP[HOST_FORWARD]  18               *  5353       10.0.2.15    53     0     0\r\n"
    "  TCP[ESTABLISHED]   19       10.0.2.15 40000         1.2.3.4   443     0     0\r\n"
    "Hub -1 (evil):\r\n"
    "  TCP[HOST_FORWARD]  16               *  9797       10.0.2.15    80     0     0\r\n"
)


def test_ports_that_are_open_are_told_as_they_were_asked_for() -> None:
    card = {"tcp": Port("net-nic-0", "tcp", "127.0.0.1", 9798), "udp": Port("net-nic-0", "udp", "", 5353)}
    assert open_ports.read(_PORTS) == {*card.values(), Port("evil", "tcp", "", 9797)}
    forwards = [{"str": "tcp:127.0.0.1:9798-10.0.2.15:80"}, {"str": "udp::5353-10.0.2.15:53"}]
    assert open_ports.asked_for([Nic("nic.0", "", None, user={"hostfwd": forwards}), Nic("nic.1", "", "tap")]) == set(card.values())
    assert open_ports.read(None) == open_ports.read("nonsense") == frozenset()


def test_an_odd_answer_to_these_questions_does_not_make_a_machine_one_that_does_not_answer() -> None:
    answers = [{"status": "running"}, [], [], [], None, None, None, SOUND, "x", ["y"], 7]
    seen = queries.read(answers)
    assert seen is not None
    assert seen.additions == Additions([], [], [])
