"""host and slice: what the machine has, and who holds it."""

import json
import re
from pathlib import Path
from typing import Any

import pytest


def test_slices_are_kept_once_the_machine_was_refreshed(herocloud: Any) -> None:
    first = json.loads(herocloud.done("host", "refresh", "--json").out)
    assert (first["slices_before"], first["slice_count"]) == (0, 63)
    assert "The slices are as they were." in herocloud.done("host", "refresh").out


def test_more_memory_adds_slices(herocloud: Any, applied: Path) -> None:
    file = herocloud.data_folder / "host.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("256 GiB", "260 GiB"), encoding="utf-8")
    assert "1 slices were added." in herocloud.done("host", "refresh").out


def test_memory_that_vms_hold_and_that_is_gone_names_the_vms(herocloud: Any, applied: Path) -> None:
    file = herocloud.data_folder / "host.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("256 GiB", "9 GiB"), encoding="utf-8")
    for words in (("plan",), ("host", "refresh")):
        ran = herocloud(*words)
        assert ran.code == 1
        assert "`vm.db` of stack `shop`" in ran.err
    assert "vm.db" in herocloud("slice", "list").both


def test_removing_the_vms_is_the_way_out(herocloud: Any, applied: Path) -> None:
    file = herocloud.data_folder / "host.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("256 GiB", "9 GiB"), encoding="utf-8")
    herocloud.done("destroy", "-y")
    assert herocloud.done("slice", "list").out.count("free  ") == 2


def test_a_slice_tells_its_holder(herocloud: Any, applied: Path) -> None:
    assert json.loads(herocloud.done("slice", "show", "s3", "--json").out)["vm"] == "vm.db"
    ran = herocloud("slice", "show", "s99z")
    assert ran.code == 1
    assert "This host has 63 slices" in ran.err


def test_a_wrong_host_file_is_said_by_every_command_that_needs_it(herocloud: Any, shop: Path) -> None:
    (herocloud.data_folder / "host.yaml").write_text("nmae: x\n", encoding="utf-8")
    for words in (("plan",), ("host", "show"), ("slice", "list"), ("apply", "-y")):
        ran = herocloud(*words)
        assert ran.code == 1
        assert "did you mean `name`?" in ran.err


def test_the_doctor_tells_what_vms_cannot_have_here(herocloud: Any, shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from herocloud.providers import survey
    from herocloud.providers.seam import Lacking, Standing

    lacking = (Lacking("shares", "the program virtiofsd is missing"),)
    monkeypatch.setattr(survey, "standings", lambda _context: {"qemu": Standing(True, "with TCG", lacking=lacking)})
    ran = herocloud("doctor")
    assert ran.code == 0
    assert re.search(r"^-    qemu +shares +the program virtiofsd is missing", ran.out, re.MULTILINE)


def test_the_doctor_finds_what_is_wrong(herocloud: Any, shop: Path) -> None:
    assert herocloud("doctor").code == 0
    (herocloud.data_folder / "state.db").write_bytes(b"no database")
    ran = herocloud("doctor")
    assert ran.code == 1
    assert "missing   herocloud" in ran.out
