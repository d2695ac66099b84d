"""Which folder, which files, which stack a command is about."""

import json
from pathlib import Path
from typing import Any

import pytest

VOLUME = "stack: {name}\nvolumes:\n  data: {{size: 1 GiB}}\n"


@pytest.fixture
def two_stacks(herocloud: Any) -> None:
    """Apply two stacks from two files."""
    for name in ("one", "two"):
        herocloud.write(VOLUME.format(name=name), f"{name}.yaml")
        herocloud.done("-f", f"{name}.yaml", "apply", "-y", "-q")


def _stacks(herocloud: Any, *words: str) -> set[str]:
    rows = json.loads(herocloud.done(*words, "--json").out)["records"]
    return {row["stack"] for row in rows}


def test_chdir_is_where_the_stack_file_and_all_paths_are(
    herocloud: Any, shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert herocloud("plan").code == 1
    herocloud.done("--chdir", "work", "plan", "--out", "p.hcplan")
    assert (herocloud.folder / "p.hcplan").exists()
    assert Path.cwd() == tmp_path


def test_a_folder_that_is_not_there_is_said(herocloud: Any) -> None:
    ran = herocloud("--chdir", "nowhere", "plan")
    assert ran.code == 1
    assert "No such file or directory `nowhere`" in ran.err


def test_several_files_make_one_stack(herocloud: Any) -> None:
    herocloud.write("stack: shop\nvolumes:\n  data: {size: 1 GiB}\n", "a.yaml")
    herocloud.write("stack: shop\nvolumes:\n  logs: {size: 1 GiB}\n", "b.yaml")
    ran = herocloud.done("plan", "-f", "a.yaml", "-f", "b.yaml")
    assert "volume.data" in ran.out
    assert "volume.logs" in ran.out
    assert herocloud.done("plan", environment={"HEROCLOUD_FILE": "a.yaml:b.yaml"}).out == ran.out


def test_a_stack_comes_from_standard_input(herocloud: Any) -> None:
    ran = herocloud.done("plan", "-f", "-", stdin="stack: shop\nvolumes:\n  data: {size: 1 GiB}\n")
    assert "volume.data" in ran.out


@pytest.mark.usefixtures("two_stacks")
def test_without_a_stack_file_the_state_is_about_all_stacks(herocloud: Any) -> None:
    assert _stacks(herocloud, "state", "list") == {"one", "two"}


@pytest.mark.usefixtures("two_stacks")
def test_a_named_stack_or_file_narrows_it(herocloud: Any) -> None:
    assert _stacks(herocloud, "state", "list", "--stack", "two") == {"two"}
    assert _stacks(herocloud, "state", "list", "-f", "one.yaml") == {"one"}


@pytest.mark.usefixtures("two_stacks")
def test_the_stack_file_here_narrows_it(herocloud: Any) -> None:
    herocloud.write(VOLUME.format(name="two"))
    assert _stacks(herocloud, "state", "list") == {"two"}


@pytest.mark.usefixtures("two_stacks")
def test_an_address_of_two_stacks_wants_a_name(herocloud: Any) -> None:
    ran = herocloud("state", "show", "volume.data")
    assert ran.code == 1
    assert "`one`, `two`" in ran.err
    assert herocloud("state", "show", "volume.data", "--stack", "one").code == 0


@pytest.mark.usefixtures("two_stacks")
def test_an_unknown_stack_is_named_with_the_nearest(herocloud: Any) -> None:
    ran = herocloud("destroy", "--stack", "tow")
    assert ran.code == 1
    assert "did you mean `two`?" in ran.err


@pytest.mark.usefixtures("two_stacks")
def test_a_stack_is_destroyed_by_its_records_alone(herocloud: Any) -> None:
    (herocloud.folder / "two.yaml").unlink()
    herocloud.done("destroy", "--stack", "two", "-y")
    assert _stacks(herocloud, "state", "list") == {"one"}


@pytest.mark.usefixtures("two_stacks")
def test_every_stack_of_the_host_is_exported_as_a_document_of_its_own(herocloud: Any) -> None:
    text = herocloud.done("export", "--host").out
    assert [piece.splitlines()[0] for piece in text.split("---\n")] == ["stack: one", "stack: two"]


def test_an_exported_stack_plans_to_nothing(herocloud: Any, applied: Path) -> None:
    applied.write_text(herocloud.done("export").out, encoding="utf-8")
    assert herocloud.done("plan").out == "No changes.\n"


def test_one_address_is_exported_with_what_it_needs(herocloud: Any, applied: Path) -> None:
    text = herocloud.done("export", "vm.db").out
    assert "data:" in text
    assert "debian12:" in text
    assert "web:" not in text


@pytest.mark.usefixtures("applied")
def test_an_export_takes_patterns(herocloud: Any) -> None:
    assert "count: 2" in herocloud.done("export", "vm.web").out
    assert "web:" not in herocloud.done("export", "vm.d*").out
    assert "did you mean `vm.db`?" in herocloud("export", "vm.dbb").err
