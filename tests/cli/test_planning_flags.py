"""What each planning and running flag changes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from herocloud.providers.simulator import tamper


def _changed(herocloud: Any, *words: str) -> set[str]:
    document = json.loads(herocloud("plan", "--json", *words).out)
    return {one["address"] for one in document["resource_changes"] if one["action"] != "no-op"}


def test_a_target_brings_what_it_needs_and_nothing_else(herocloud: Any, shop: Path) -> None:
    assert _changed(herocloud, "--target", "vm.db") == {"vm.db", "volume.data", "network.lan", "image.debian12"}
    assert _changed(herocloud, "--target", "volume.*", "-target=network.lan") == {"volume.data", "network.lan"}


def test_an_exclusion_takes_along_who_needs_it(herocloud: Any, shop: Path) -> None:
    assert _changed(herocloud, "--exclude", "network.lan") == {"volume.data", "image.debian12"}


def test_a_replacement_is_asked_for_by_address(herocloud: Any, applied: Path) -> None:
    assert _changed(herocloud, "--replace", "vm.web[1]") == {"vm.web[1]"}


def test_a_pattern_that_names_nothing_is_an_error(herocloud: Any, applied: Path) -> None:
    ran = herocloud("plan", "--target", "vm.wbe")
    assert ran.code == 1
    assert "vm.web" in ran.err


def test_without_refresh_the_world_is_not_looked_at(herocloud: Any, applied: Path) -> None:
    tamper.main([str(herocloud.data_folder), "vm.db", "stop"])
    assert _changed(herocloud) == {"vm.db"}
    assert _changed(herocloud, "--no-refresh") == set()
    assert _changed(herocloud, "-refresh=false") == set()


def test_a_hypervisor_that_is_not_there_is_refused(herocloud: Any, shop: Path) -> None:
    ran = herocloud("plan", "--hypervisor", "qemuu")
    assert ran.code == 64
    assert "did you mean `qemu`?" in ran.err
    assert herocloud("plan", "--hypervisor", "simulator").code == 0


def test_purged_data_cannot_be_taken_back(herocloud: Any, applied: Path) -> None:
    assert "destroyed at once" in herocloud.done("destroy", "-y", "--purge").out
    ran = herocloud("undo", "-y")
    assert ran.code == 1
    assert "Deleted data is gone" in ran.err


def test_after_a_failure_it_goes_on_elsewhere_when_told_so(herocloud: Any, shop: Path, misbehave: Callable[[str], None]) -> None:
    misbehave("{address: image.debian12, fail: no route}")
    stopped = herocloud("apply", "-y", "--parallelism", "1")
    assert stopped.code in (1, 13)
    went_on = herocloud("apply", "-y", "--parallelism", "1", "--on-failure", "continue")
    assert went_on.code == 13
    assert {"network.lan", "volume.data"} <= set(herocloud("state", "list").out.split())


def test_verbose_tells_every_field_and_quiet_no_progress(herocloud: Any, shop: Path) -> None:
    assert "provider: simulator" in herocloud.done("plan", "-v").out
    assert "provider: simulator" not in herocloud.done("plan").out
    assert herocloud.done("apply", "-y", "-q").err == ""


def test_the_log_goes_to_stderr_when_asked_for(herocloud: Any, shop: Path) -> None:
    ran = herocloud.done("apply", "-y", environment={"HEROCLOUD_LOG": "debug"})
    assert ran.out.endswith("front = 10.42.0.2\n")


@pytest.mark.parametrize("command", ["plan", "apply"])
def test_a_stack_that_is_named_has_to_be_that_of_the_file(herocloud: Any, applied: Path, command: str) -> None:
    assert herocloud.done(command, "--stack", "shop").out == "No changes.\n"
    ran = herocloud(command, "--stack", "other")
    assert ran.code == 1
    assert "`stack.yaml` describes the stack `shop`, and `--stack` or HEROCLOUD_STACK names `other`." in ran.err
    assert herocloud(command, environment={"HEROCLOUD_STACK": "other"}).err == ran.err


def test_a_stack_without_its_file_is_planned_away_by_its_name(herocloud: Any, applied: Path) -> None:
    applied.unlink()
    herocloud.done("plan", "--destroy", "--stack", "shop", "--out", "p.hcplan")
    ran = herocloud("apply", "p.hcplan", "--stack", "shop")
    assert ran.code == 64
    assert "--stack can only be given when it is made" in ran.err
    assert "6 destroyed" in herocloud.done("apply", "--destroy", "--stack", "shop", "-y").out
