"""A disk that a BIOS cannot start gets UEFI, with variables of its own; every other one gets the BIOS."""

from pathlib import Path

import pytest

from herocloud.model.errors import Permanent
from herocloud.providers.qemu import firmware
from herocloud.providers.vmm import folders


def _disk(tmp_path: Path, program: bytes = b"", kind: int = 0xEE, end: bytes = b"\x55\xaa") -> Path:
    sector = bytearray(512)
    sector[: len(program)] = program
    sector[450] = kind
    sector[510:] = end
    path = tmp_path / "disk"
    path.write_bytes(bytes(sector) + bytes(4096))
    return path


@pytest.mark.parametrize(
    ("change", "needed"),
    [
        ({}, True),
        ({"program": b"\xeb\x63"}, False),
        ({"kind": 0x83}, False),
        ({"end": b"\0\0"}, False),
    ],
)
def test_the_first_sector_tells(tmp_path: Path, change: dict, needed: bool) -> None:  # noqa: FBT001
    assert firmware.needs_uefi(_disk(tmp_path, **change)) is needed


def test_a_disk_of_nothing_needs_nothing(tmp_path: Path) -> None:
    (tmp_path / "disk").touch()
    assert not firmware.needs_uefi(tmp_path / "disk")


def test_each_vm_keeps_variables_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program, variables = tmp_path / "code.fd", tmp_path / "vars.fd"
    program.write_bytes(b"code")
    variables.write_bytes(b"new")
    monkeypatch.setattr(firmware, "_PAIRS", (("/nowhere", "/nowhere"), (str(program), str(variables))))
    folders.machine_folder(tmp_path, "v1").mkdir(parents=True)
    chosen = firmware.choose(tmp_path, "v1", _disk(tmp_path), "vm.web")
    assert chosen == (program, folders.machine_folder(tmp_path, "v1") / "firmware.fd")
    chosen[1].write_bytes(b"written by the guest")
    assert firmware.choose(tmp_path, "v1", _disk(tmp_path), "vm.web") == chosen
    assert chosen[1].read_bytes() == b"written by the guest"
    assert variables.read_bytes() == b"new"


def test_a_host_without_the_firmware_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(firmware, "_PAIRS", ())
    with pytest.raises(Permanent, match="install the package ovmf"):
        firmware.choose(tmp_path, "v1", _disk(tmp_path), "vm.web")
    assert firmware.choose(tmp_path, "v1", _disk(tmp_path, program=b"\xeb"), "vm.web") is None
