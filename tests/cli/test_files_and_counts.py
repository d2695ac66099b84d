"""Changes of how a stack is written that would destroy machines nobody wanted destroyed."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

_HEAD = 'stack: shop\nimages: {tiny: {source: "https://example.org/t.qcow2", unpinned: true, format: qcow2}}\n'
_MORE = "stack: shop\nvms: {db: {image: tiny}}\n"


def _two_files(herocloud: Any) -> Path:
    herocloud.write(f"{_HEAD}vms: {{web: {{image: tiny}}}}\n")
    more: Path = herocloud.write(_MORE, "more.yaml")
    herocloud.done("apply", "-y", "-q", "-f", "stack.yaml", "-f", "more.yaml")
    return more


def test_a_forgotten_file_is_named_before_its_machines_go(herocloud: Any) -> None:
    _two_files(herocloud)
    ran = herocloud.done("plan")
    assert "1 to destroy" in ran.out
    assert "A file of the last apply was not read" in ran.err
    assert "add `-f more.yaml`" in ran.err
    document = json.loads(herocloud.done("plan", "--json").out)
    assert "file-forgotten" in [one["code"] for one in document["diagnostics"]]


def test_a_file_that_was_deleted_is_not_missed(herocloud: Any) -> None:
    _two_files(herocloud).unlink()
    ran = herocloud.done("plan")
    assert "1 to destroy" in ran.out
    assert "was not read" not in ran.err


def test_with_all_files_there_is_no_warning(herocloud: Any) -> None:
    more = _two_files(herocloud)
    more.write_text("stack: shop\nvms: {}\n", encoding="utf-8")
    ran = herocloud.done("plan", "-f", "stack.yaml", "-f", "more.yaml")
    assert "1 to destroy" in ran.out
    assert "was not read" not in ran.err


def test_a_count_keeps_the_machine_as_instance_0(herocloud: Any, applied: Path, edit: Callable[[str, str], None]) -> None:
    edit("db: {image", "db: {count: 2, image")
    edit(", volumes: [data]}", "}")
    text = herocloud.done("plan").out
    assert "was vm.db" in text
    assert "1 to add" in text
    assert "0 to destroy" in text
    herocloud.done("apply", "-y", "-q")
    assert herocloud.done("plan").out.strip() == "No changes."


def test_a_count_of_one_changes_a_name_and_nothing_else(herocloud: Any, applied: Path, edit: Callable[[str, str], None]) -> None:
    edit("db: {image", "db: {count: 1, image")
    text = herocloud.done("plan").out
    assert "was vm.db" in text
    assert "0 to add, 0 to change, 1 to move, 0 to destroy" in text
    herocloud.done("apply", "--approve", "update")


def test_a_count_that_goes_keeps_instance_0(herocloud: Any) -> None:
    herocloud.write(f"{_HEAD}vms: {{web: {{count: 2, image: tiny}}}}\n")
    herocloud.done("apply", "-y", "-q")
    herocloud.write(f"{_HEAD}vms: {{web: {{image: tiny}}}}\n")
    text = herocloud.done("plan").out
    assert "was vm.web[0]" in text
    assert "1 to destroy" in text
