"""Views that go to files: one plan, one apply, every form at once."""

import json
import os
import stat
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

FORMS = ("--md", "p.md", "--html", "p.html", "--junit", "p.xml", "--sarif", "p.sarif", "--json-into", "p.json")


def _read(herocloud: Any, name: str) -> str:
    return (herocloud.folder / name).read_text(encoding="utf-8")  # type: ignore[no-any-return]


def test_a_plan_is_written_in_every_form_beside_the_printed_one(herocloud: Any, shop: Path) -> None:
    ran = herocloud.done("plan", *FORMS)
    assert "Plan: 6 to add" in ran.out
    assert "vm.db" in _read(herocloud, "p.md")
    assert "<html" in _read(herocloud, "p.html")
    assert ET.fromstring(_read(herocloud, "p.xml")).tag == "testsuites"  # noqa: S314  (ours, just written)
    assert json.loads(_read(herocloud, "p.sarif"))["version"] == "2.1.0"
    assert json.loads(_read(herocloud, "p.json"))["stack"] == "shop"


def test_an_apply_leaves_how_it_ended_in_every_form(herocloud: Any, shop: Path) -> None:
    herocloud.done("apply", "-y", *FORMS)
    assert "6 added" in _read(herocloud, "p.md")
    assert "6 added" in _read(herocloud, "p.html")
    assert 'failures="0"' in _read(herocloud, "p.xml")
    assert json.loads(_read(herocloud, "p.json").splitlines()[-1])["type"] == "summary"


def test_the_budget_of_markdown_is_kept(herocloud: Any, shop: Path) -> None:
    shop.write_text(shop.read_text(encoding="utf-8").replace("count: 2", "count: 40"), encoding="utf-8")
    herocloud.done("plan", "--md", "p.md", "--max-bytes", "2000")
    assert 1000 < len(_read(herocloud, "p.md").encode()) <= 2000


def test_a_stack_with_mistakes_leaves_sarif_with_places(herocloud: Any) -> None:
    herocloud.write("stack: shop\nvms: {web: {imag: x}}\n")
    assert herocloud("plan", "--sarif", "p.sarif", "--json-into", "p.json").code == 1
    (run,) = json.loads(_read(herocloud, "p.sarif"))["runs"]
    assert any(one["ruleId"] == "unknown-key" for one in run["results"])
    assert json.loads(_read(herocloud, "p.json"))["errored"]


def test_validate_leaves_sarif_too(herocloud: Any, shop: Path) -> None:
    herocloud.done("validate", "--sarif", "v.sarif")
    assert json.loads(_read(herocloud, "v.sarif"))["runs"][0]["results"] == []


def test_a_report_is_one_page(herocloud: Any, applied: Path) -> None:
    herocloud.done("report", "--out", "state.html")
    page = _read(herocloud, "state.html")
    assert "vm.web[0]" in page
    assert "<script" not in page


def test_files_of_views_are_not_for_others_to_write_to_whatever_the_umask(herocloud: Any, applied: Path) -> None:
    before = os.umask(0)
    try:
        herocloud.done("plan", *FORMS)
        herocloud.done("apply", "-y", "--json-into", "a.json")
        herocloud.done("report")
    finally:
        os.umask(before)
    names = [*FORMS[1::2], "a.json", "report.html"]
    assert {name: stat.S_IMODE((herocloud.folder / name).stat().st_mode) for name in names} == dict.fromkeys(names, 0o644)
