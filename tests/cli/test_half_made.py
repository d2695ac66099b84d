"""A failure beside other work: what has begun is finished, and every view says of what is left what it really is."""

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

BASE = """\
stack: shop
images:
  img: {source: "https://example.org/d.qcow2", unpinned: true, format: qcow2}
vms:
  lb: {image: img, memory: 1 GiB}
  db: {image: img, memory: 1 GiB}
"""
MORE = "  new: {image: img, memory: 1 GiB}\n  last: {image: img, memory: 1 GiB, depends_on: [vm.new]}\n"


@pytest.fixture
def failing(herocloud: Any) -> None:
    """Apply two VMs, then add one that does not boot."""
    herocloud.write(BASE)
    herocloud.done("apply", "-y", "-q")
    herocloud.write(BASE + MORE)
    (herocloud.data_folder / "scenario.yaml").write_text(
        'rules:\n  - {address: vm.new, step: vm.boot, fail: "kernel panicked"}\n', encoding="utf-8"
    )
    with (herocloud.data_folder / "host.yaml").open("a", encoding="utf-8") as file:
        file.write("simulator: {scenario: ./scenario.yaml, step_time: 40 ms}\n")


def _powers(herocloud: Any) -> dict[str, str]:
    resources = json.loads(herocloud.done("show", "--json").out)["stacks"]["shop"]["resources"]
    return {one["address"]: (one["observed"] or {}).get("power", "gone") for one in resources if one["address"].startswith("vm.")}


@pytest.mark.usefixtures("failing")
def test_a_replacement_that_has_begun_is_finished_beside_a_failure(herocloud: Any) -> None:
    ran = herocloud("apply", "-y", "--replace", "vm.lb", "--replace", "vm.db")
    assert ran.code == 13, ran.both
    powers = _powers(herocloud)
    assert (powers["vm.lb"], powers["vm.db"]) == ("running", "running")


@pytest.mark.usefixtures("failing")
def test_the_pages_call_no_machine_skipped_that_was_touched(herocloud: Any) -> None:
    ran = herocloud("apply", "-y", "--replace", "vm.lb", "--replace", "vm.db", "--html", "result.html", "--junit", "result.xml")
    assert ran.code == 13, ran.both
    page = (herocloud.folder / "result.html").read_text(encoding="utf-8")
    pills = dict(re.findall(r'<span class="name mono">([^<]*)</span>.*?<span class="pill [^"]*">([^<]*)</span>', page, re.DOTALL))
    cases = ET.parse(herocloud.folder / "result.xml").getroot().iter("testcase")  # noqa: S314  (our own)
    skipped = {str(case.get("name")).split()[0] for case in cases if case.find("skipped") is not None}
    for vm in ("vm.lb", "vm.db"):
        assert (pills[vm], vm in skipped, _powers(herocloud)[vm]) == ("done", False, "running")


@pytest.mark.usefixtures("failing")
def test_every_view_says_what_really_is(herocloud: Any) -> None:
    files = {kind: herocloud.folder / f"result.{kind}" for kind in ("html", "junit", "md", "ndjson")}
    ran = herocloud(
        "apply", "-y", "--html", str(files["html"]), "--junit", str(files["junit"]), "--md", str(files["md"]),
        "--json-into", str(files["ndjson"]),
    )  # fmt: skip
    assert ran.code in (1, 13), ran.both
    texts = {kind: path.read_text(encoding="utf-8") for kind, path in files.items()} | {"text": ran.out}
    for kind in ("html", "md", "text"):
        assert "skipped" not in texts[kind].replace(".skipped", "").replace("bar skipped", "").lower(), kind
    assert "<skipped" not in texts["junit"], "what is half made is no test that nobody wanted to run"
    summary = json.loads(texts["ndjson"].splitlines()[-1])
    fates = {one["address"]: (one["state"], one["now"]) for one in summary["fates"]}
    assert fates["vm.new"] == ("failed", "stopped")
    assert fates["vm.last"] == ("begun and not finished", "not there yet"), "its disk is there, and its machine waits for the other"
    assert "vm.last (begun and not finished, not there yet)" in ran.out
    assert "begun and not finished, not there yet, because vm.new/vm.boot failed" in texts["junit"]
    assert _powers(herocloud)["vm.new"] == "stopped"


def test_a_stale_plan_names_the_fields_that_changed(herocloud: Any, applied: Path) -> None:
    text = applied.read_text(encoding="utf-8")
    applied.write_text(text.replace("vcpus: 2", "vcpus: 3"), encoding="utf-8")
    herocloud.done("plan", "--out", "p.plan")
    herocloud.done("vm", "stop", "db")
    ran = herocloud("apply", "p.plan")
    assert ran.code == 10
    assert "state running → stopped" in ran.err
    assert "power running → stopped" in ran.err


def test_the_log_counts_a_replacement_and_a_rollback(herocloud: Any, applied: Path) -> None:
    herocloud.done("apply", "-y", "-q", "--replace", "vm.db")
    (herocloud.data_folder / "scenario.yaml").write_text('rules:\n  - {address: vm.db, step: vm.boot, fail: "no"}\n', encoding="utf-8")
    with (herocloud.data_folder / "host.yaml").open("a", encoding="utf-8") as file:
        file.write("simulator: {scenario: ./scenario.yaml}\n")
    herocloud("apply", "-y", "-q", "--replace", "vm.db", "--on-failure", "rollback")
    rolled, replaced, created = json.loads(herocloud.done("state", "log", "--json").out)["history"]
    assert (created["added"], created["outcome"]) == (6, "done")
    assert (replaced["added"], replaced["changed"], replaced["destroyed"]) == (1, 0, 1)
    assert rolled["outcome"].startswith(("rolled back", "partial"))
    assert rolled["taken_back"] >= 1
    assert len({entry["apply"] for entry in (rolled, replaced, created)}) == 3


def test_undo_and_diff_take_a_serial_or_an_apply_id(herocloud: Any, applied: Path) -> None:
    text = applied.read_text(encoding="utf-8")
    applied.write_text(text.replace("count: 2", "count: 3"), encoding="utf-8")
    herocloud.done("apply", "-y", "-q")
    assert "vm.web[2]" in herocloud.done("state", "diff", "apply-1", "apply-2").out
    assert herocloud.done("state", "diff", "1", "apply-2").out == herocloud.done("state", "diff", "1", "2").out
    herocloud.done("undo", "apply-2", "-y")
    assert "vm.web[2]" not in herocloud.done("state", "list").out
    assert herocloud("undo", "2", "-y").code == 1, "what serial 2 did is taken back already"


def test_undoing_the_completion_of_a_half_made_vm_says_that_it_goes(herocloud: Any, misbehave: Any) -> None:
    herocloud.write(BASE)
    misbehave('{address: vm.db, step: vm.create, fail: "no memory"}')
    assert herocloud("apply", "-y", "-q").code == 13
    (herocloud.data_folder / "scenario.yaml").write_text("", encoding="utf-8")
    herocloud.done("apply", "-y", "-q")
    ran = herocloud("undo", "--approve", "create,update,stop,reboot,replace")
    assert ran.code == 12, ran.both
    assert "destroy: `vm.db`" in ran.err
    assert _powers(herocloud)["vm.db"] == "running"
    herocloud.done("undo", "-y")
    assert _powers(herocloud)["vm.db"] == "gone"
