"""`state log` counts what is gone, whether or not the rest of its change went well, and tells a replacement from a change."""

import getpass
import json
import os
import signal

import pytest

STACK = """\
stack: shop
images:
  img: {{source: "https://example.org/{image}.qcow2", unpinned: true, format: qcow2}}
vms: {{web: {{image: img, memory: 1 GiB}}}}
"""


def _newest(herocloud) -> dict:
    return json.loads(herocloud.done("state", "log", "--json").out)["history"][0]


def test_a_replacement_is_told_from_a_change(herocloud) -> None:
    herocloud.write(STACK.format(image="old"))
    herocloud.done("apply", "-y", "-q")
    herocloud.write(STACK.format(image="new"))
    herocloud.done("apply", "-y", "-q")
    newest = _newest(herocloud)
    assert (newest["added"], newest["destroyed"], newest["replaced"]) == (1, 1, 1)
    assert "-/+1" in herocloud.done("state", "log").out


def test_the_log_says_who_did_what_and_how_it_ended(herocloud, misbehave) -> None:
    herocloud.write(STACK.format(image="old"))
    herocloud.done("apply", "-y", "-q")
    herocloud.done("apply", "-y", "-q", "--replace", "vm.web")
    misbehave("{address: vm.web, step: vm.boot, fail: no luck}")
    assert herocloud("apply", "-y", "-q", "--replace", "vm.web", "--on-failure", "rollback").code != 0
    newest, replaced, _created = herocloud.done("state", "log").out.splitlines()[1:4]
    assert "   0         0         0" not in replaced + newest, "a replacement is no change of nothing"
    assert getpass.getuser() in replaced
    assert "done" in replaced
    assert "rolled back" in newest or "partial" in newest


@pytest.fixture
def back_and_forth(herocloud) -> list[dict]:
    """Apply the same two changes twice by turns, and return the history."""
    for vcpus in (1, 2, 1, 2):
        herocloud.write(STACK.format(image="old").replace("memory", f"vcpus: {vcpus}, memory"))
        herocloud.done("apply", "-y", "-q")
    return json.loads(herocloud.done("state", "log", "--json").out)["history"]


def test_applies_that_did_the_same_have_names_of_their_own(back_and_forth) -> None:
    assert len({entry.get("apply", entry["plan"]) for entry in back_and_forth}) == 4, "what `undo` takes is ambiguous"


def test_undo_takes_a_serial_of_the_log(herocloud, back_and_forth) -> None:
    ran = herocloud("undo", str(back_and_forth[0]["serial"]), "-y")
    assert ran.code == 0, ran.both
    assert json.loads(herocloud.done("state", "show", "vm.web", "--json").out)["spec"]["vcpus"] == 1


def test_a_failed_replacement_counts_what_it_destroyed(herocloud, misbehave) -> None:
    herocloud.write(STACK.format(image="old"))
    herocloud.done("apply", "-y", "-q")
    misbehave("{address: vm.web, step: vm.create, fail: no luck}")
    herocloud.write(STACK.format(image="new"))
    assert herocloud("apply", "-y").code == 13
    newest = _newest(herocloud)
    assert (newest["added"], newest["destroyed"], newest["outcome"]) == (0, 1, "partial")


def test_a_replacement_that_fails_only_at_its_boot_is_not_counted_as_gone(herocloud, misbehave) -> None:
    herocloud.write(STACK.format(image="old"))
    herocloud.done("apply", "-y", "-q")
    misbehave("{address: vm.web, step: vm.boot, fail: no luck}")
    herocloud.write(STACK.format(image="new"))
    assert herocloud("apply", "-y").code == 13
    newest = _newest(herocloud)
    assert (newest["added"], newest["destroyed"], newest["replaced"], newest["outcome"]) == (1, 1, 1, "partial")
    assert " -1 " not in herocloud.done("state", "log").out


def test_a_purge_that_cannot_be_taken_back_counts_all_that_is_lost(herocloud, spawn) -> None:
    herocloud.write(STACK.format(image="old").replace("web: {", "web: {count: 2, "))
    herocloud.done("apply", "-y", "-q")
    process = spawn("destroy", "-y", "-q", "--purge", env={**os.environ, "HEROCLOUD_FAULTS": "simulator.disk.delete.after:2:kill"})
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert herocloud("resume", "--rollback", "-y").code == 13
    assert _newest(herocloud)["destroyed"] == 2


def test_what_was_purged_counts_although_its_outcome_never_reached_the_journal(herocloud, spawn) -> None:
    herocloud.write("stack: shop\nvolumes: {a: {size: 1 GiB}, b: {size: 1 GiB}, c: {size: 1 GiB}}\n")
    herocloud.done("apply", "-y", "-q")
    faults = {**os.environ, "HEROCLOUD_FAULTS": "simulator.volume.delete.after:2:kill"}
    process = spawn("destroy", "-y", "-q", "--purge", "--parallelism", "1", env=faults)
    process.communicate(timeout=60)
    assert herocloud("resume", "--rollback", "-y").code == 13
    assert _newest(herocloud)["destroyed"] == 2
