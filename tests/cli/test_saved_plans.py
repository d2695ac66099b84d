"""Saved plans: run as they are, once, here, and only while they are whole."""

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def saved(herocloud: Any, shop: Path) -> Path:
    herocloud.done("plan", "--out", "p.hcplan")
    return herocloud.folder / "p.hcplan"  # type: ignore[no-any-return]


def _rewrite(path: Path, change: Callable[[dict[str, Any], bytes], tuple[dict[str, Any], bytes]]) -> None:
    head, body = path.read_bytes().split(b"\n", 1)
    new_head, new_body = change(json.loads(head), body)
    path.write_bytes(json.dumps(new_head).encode() + b"\n" + new_body)


def test_a_saved_plan_runs_without_approval_and_only_once(herocloud: Any, saved: Path) -> None:
    assert "6 added" in herocloud.done("apply", "p.hcplan").out
    again = herocloud.done("apply", "p.hcplan")
    assert "This plan was applied before; nothing was done." in again.out


def test_the_file_is_for_its_owner_only(saved: Path) -> None:
    assert stat.S_IMODE(saved.stat().st_mode) == 0o600


def test_a_plan_is_not_written_through_a_link(herocloud: Any, shop: Path) -> None:
    victim, link = herocloud.folder / "victim", herocloud.folder / "p.hcplan"
    victim.write_text("mine")
    link.symlink_to(victim)
    ran = herocloud("plan", "--out", "p.hcplan")
    assert ran.code == 1
    assert f"`p.hcplan` is a link to `{victim}`, and a plan is not written through a link." in ran.err
    assert "rm p.hcplan" in ran.err
    assert (victim.read_text(), link.is_symlink()) == ("mine", True)


@pytest.mark.parametrize(("make", "word"), [(os.mkfifo, "a pipe, a socket or a device"), (Path.mkdir, "a folder")], ids=["pipe", "folder"])
def test_a_plan_is_saved_in_a_plain_file_only_and_waits_for_nobody(
    herocloud: Any, shop: Path, make: Callable[[Path], None], word: str
) -> None:
    make(herocloud.folder / "p.hcplan")
    ran = herocloud("plan", "--out", "p.hcplan")
    assert (ran.code, f"`p.hcplan` is {word}." in ran.err) == (1, True), ran.err


def test_a_saved_plan_is_shown_as_it_was_printed(herocloud: Any, saved: Path) -> None:
    assert herocloud.done("show", "p.hcplan").out == herocloud.done("plan").out
    assert json.loads(herocloud.done("show", "p.hcplan", "--json").out) == json.loads(herocloud.done("plan", "--json").out)


def test_no_secret_is_in_the_file(herocloud: Any, shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DB_PASSWORD", "correct-horse")
    shop.write_text(
        shop.read_text(encoding="utf-8").replace("db: {", "db: {secrets: {db_password: {env: DB_PASSWORD}}, "), encoding="utf-8"
    )
    herocloud.done("plan", "--out", "p.hcplan")
    content = (herocloud.folder / "p.hcplan").read_text(encoding="utf-8")
    assert "db_password" in content
    assert "correct-horse" not in content
    herocloud.done("apply", "p.hcplan")
    assert herocloud.done("plan").out == "No changes.\n"
    monkeypatch.setenv("DB_PASSWORD", "battery-staple")
    assert "vm.db" in herocloud.done("plan").out


def test_a_changed_byte_is_noticed(herocloud: Any, saved: Path) -> None:
    _rewrite(saved, lambda head, body: (head, body.replace(b"10.42.0.2", b"10.42.0.9", 1)))
    ran = herocloud("apply", "p.hcplan")
    assert ran.code == 1
    assert "its checksum does not fit its content" in ran.err


def test_a_file_that_was_cut_off_is_noticed(herocloud: Any, saved: Path) -> None:
    saved.write_bytes(saved.read_bytes()[:-100])
    assert "damaged" in herocloud("apply", "p.hcplan").err


def test_a_newer_file_is_refused_by_its_version(herocloud: Any, saved: Path) -> None:
    _rewrite(saved, lambda head, body: ({**head, "version": 2}, body))
    ran = herocloud("apply", "p.hcplan")
    assert ran.code == 1
    assert "newer than this program" in ran.err


@pytest.mark.parametrize("content", [b"", b"stack: shop\n", b"\x00\xff\n", b"[]\n"], ids=["empty", "a stack file", "bytes", "a list"])
def test_what_is_no_plan_is_named_so(herocloud: Any, saved: Path, content: bytes) -> None:
    saved.write_bytes(content)
    ran = herocloud("apply", "p.hcplan")
    assert ran.code == 1
    assert "Not a plan file" in ran.err


def test_a_plan_of_another_state_is_refused(herocloud: Any, applied: Path, tmp_path: Path) -> None:
    herocloud.done("plan", "--destroy", "--out", "p.hcplan")
    other = tmp_path / "other"
    other.mkdir()
    (other / "host.yaml").write_text((herocloud.data_folder / "host.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    ran = herocloud("apply", "p.hcplan", "--data-dir", str(other))
    assert ran.code == 1
    assert "The plan belongs to another state" in ran.err


def test_a_change_elsewhere_does_not_make_a_plan_stale(herocloud: Any, applied: Path) -> None:
    text = applied.read_text(encoding="utf-8").replace("vcpus: 2", "vcpus: 3")
    applied.write_text(text, encoding="utf-8")
    herocloud.done("plan", "--out", "p.hcplan")
    herocloud.done("vm", "stop", "web[1]")
    assert "1 changed" in herocloud.done("apply", "p.hcplan").out


def test_a_plan_that_cannot_be_applied_is_not_saved(herocloud: Any, applied: Path) -> None:
    herocloud.done("state", "protect", "vm.db")
    assert herocloud("plan", "--destroy", "--out", "p.hcplan").code == 12
    assert not (herocloud.folder / "p.hcplan").exists()


_DECIDED: dict[str, tuple[str, ...]] = {
    "--purge": ("--purge",),
    "--destroy": ("--destroy",),
    "--hypervisor": ("--hypervisor", "qemu"),
    "--no-refresh": ("--no-refresh",),
    "--var": ("--var", "a=b"),
    "--var-file": ("--var-file", "values.yaml"),
    "-f": ("-f", "stack.yaml"),
    "--target": ("--target", "vm.db"),
    "--exclude": ("--exclude", "vm.db"),
    "--replace": ("--replace", "vm.db"),
}


@pytest.mark.parametrize("also", [(), ("--rehearse",), ("-qv",)], ids=["run", "rehearsed", "through the long way"])
@pytest.mark.parametrize("flag", _DECIDED)
def test_a_flag_that_decides_what_is_planned_is_refused_beside_a_saved_plan(
    herocloud: Any, saved: Path, flag: str, also: tuple[str, ...]
) -> None:
    herocloud.write("{}\n", "values.yaml")
    ran = herocloud("apply", "p.hcplan", *_DECIDED[flag], *also)
    assert ran.code == 64, ran.both
    words = f"a saved plan is run as it is; {flag} can only be given when it is made: give it to `herocloud plan --out p.hcplan`"
    assert words in " ".join(ran.err.split())
    assert herocloud.done("state", "list").out == "Nothing is recorded.\n"


def test_several_such_flags_are_named_together(herocloud: Any, saved: Path) -> None:
    ran = herocloud("apply", "p.hcplan", "--purge", "--no-refresh", "--destroy")
    assert ran.code == 64
    assert "--no-refresh, --purge, --destroy can only be given when it is made: give them to" in ran.err


def test_flags_that_hold_in_a_saved_plan_are_taken(herocloud: Any, applied: Path) -> None:
    herocloud.done("plan", "--destroy", "--purge", "--out", "p.hcplan")
    ran = herocloud.done("apply", "p.hcplan", "--purge", "--refresh", "-y", "--no-input", "--parallelism", "2", "--on-failure", "rollback")
    assert "6 destroyed" in ran.out
    assert herocloud.done("state", "gc").out == "There is nothing to remove.\n"


def test_a_plan_that_purges_is_not_run_by_somebody_who_says_no_to_that(herocloud: Any, applied: Path) -> None:
    herocloud.done("plan", "--destroy", "--purge", "--out", "p.hcplan")
    ran = herocloud("apply", "p.hcplan", "--purge=false")
    assert ran.code == 64
    assert "--purge=false can only be given" in ran.err


def test_what_holds_for_plans_that_are_made_does_not_stop_a_saved_one(herocloud: Any, saved: Path) -> None:
    with (herocloud.data_folder / "host.yaml").open("a", encoding="utf-8") as file:
        file.write("settings: {refresh: false}\n")
    environment = {"HEROCLOUD_PURGE": "1", "HEROCLOUD_HYPERVISOR": "simulator", "HEROCLOUD_FILE": "stack.yaml"}
    assert "6 added" in herocloud.done("apply", "p.hcplan", environment=environment).out


def test_typed_classes_are_a_limit_for_a_saved_plan(herocloud: Any, applied: Path) -> None:
    herocloud.done("plan", "--destroy", "--out", "p.hcplan")
    ran = herocloud("apply", "p.hcplan", "--approve", "create,update")
    assert ran.code == 12, ran.both
    assert "`--approve` beside a saved plan is a limit" in ran.err
    assert "vm.db" in herocloud.done("state", "list").out
    # The environment approves for plans that nobody has approved; saving one did.
    environment = {"HEROCLOUD_APPROVE": "create,update"}
    assert "6 destroyed" in herocloud.done("apply", "p.hcplan", environment=environment).out


@pytest.mark.parametrize(
    ("words", "flag"),
    [
        (("show", "p.hcplan", "--stack", "other"), "--stack"),
        (("show", "p.hcplan", "-f", "stack.yaml"), "-f"),
        (("graph", "p.hcplan", "--var", "a=b"), "--var"),
        (("graph", "p.hcplan", "-f", "stack.yaml"), "-f"),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, tuple) else given,
)
def test_a_saved_plan_is_shown_without_what_belongs_to_other_plans(herocloud: Any, saved: Path, words: tuple[str, ...], flag: str) -> None:
    ran = herocloud(*words)
    assert ran.code == 64, ran.both
    assert f"a saved plan is shown as it is; {flag} cannot be given with it" in ran.err
    herocloud.done(*words[:2], environment={"HEROCLOUD_STACK": "other", "HEROCLOUD_FILE": "stack.yaml"})


def test_a_stale_plan_says_what_is_gone_and_what_is_new_without_digests(
    herocloud: Any, applied: Path, edit: Callable[[str, str], None]
) -> None:
    edit("db: {image: debian12, vcpus: 2", "db: {image: debian12, vcpus: 3")
    herocloud.done("plan", "--out", "p.hcplan")
    herocloud.done("vm", "delete", "db", "-y")
    ran = herocloud("apply", "p.hcplan")
    assert ran.code == 10, ran.both
    assert "`vm.db` is not recorded any more (`record:shop/vm.db`). Plan again" in ran.err
    assert "`vm.db` was there when the plan was made, and nothing of it is now (`observed:shop/vm.db`). Plan again" in ran.err
    herocloud.done("plan", "--out", "q.hcplan")
    edit("vcpus: 3", "vcpus: 2")
    herocloud.done("apply", "-y", "-q")
    ran = herocloud("apply", "q.hcplan")
    assert ran.code == 10, ran.both
    assert "`vm.db` was not recorded when the plan was made, and is now (`record:shop/vm.db`). Plan again" in ran.err
    assert "`vm.db` was not there when the plan was made, and is now (`observed:shop/vm.db`). Plan again" in ran.err


@pytest.mark.parametrize("flag", ["--md", "--html", "--junit", "--sarif", "--json-into"])
def test_views_of_a_plan_are_refused_where_none_is_shown(herocloud: Any, saved: Path, flag: str) -> None:
    ran = herocloud("show", flag, "view")
    assert ran.code == 64, ran.both
    assert f"{flag} can only be given with a PLANFILE" in ran.err
    assert not (herocloud.folder / "view").exists()
    herocloud.done("show", "p.hcplan", flag, "view")
    assert (herocloud.folder / "view").exists()
