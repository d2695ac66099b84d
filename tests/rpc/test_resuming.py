"""`resume_stack` where nothing waits: what the command line says, as an answer."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from herocloud.rpc import advice

SECONDS = 60
SHOP = "stack: shop\nvms: {web: {image: tiny}}\n"


def apply(daemon: Any) -> dict[str, Any]:
    plan = daemon.call("plan_stack", yaml=SHOP)
    job = daemon.call("apply_plan", plan_id=plan["plan_id"], approve=["create"])
    found: dict[str, Any] = daemon.call("wait_job", job_id=job["job_id"], timeout=SECONDS)
    return found


def command(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "HEROCLOUD_DAEMON": "off"}
    whole = [sys.executable, "-m", "herocloud", "--data-dir", str(folder), "resume", "--stack", "shop", *words]
    return subprocess.run(whole, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(params=["done", "failed"])
def over(request: Any, start: Any, folder: Path) -> Any:
    """A daemon whose last apply of the stack is over, well or not."""
    if request.param == "failed":
        (folder / "scenario.yaml").write_text('rules: [{address: vm.web, step: "*boot*", fail: no power}]\n', encoding="utf-8")
        with (folder / "host.yaml").open("a", encoding="utf-8") as host:
            host.write("simulator: {scenario: ./scenario.yaml}\n")
    daemon = start()
    assert apply(daemon)["status"] == request.param
    return daemon


def test_a_job_with_nothing_to_resume_says_what_the_command_says(over: Any) -> None:
    job = over.call("resume_stack", stack="shop", wait=SECONDS)
    ran = command(over.folder)
    assert ran.returncode == 0
    assert (job["status"], job["result"], job["error"]) == ("done", {"resumed": None}, None)
    assert job["note"] == advice.in_methods(ran.stdout.strip())
    assert job["note"].startswith("There is nothing to resume: ")
    assert "`herocloud " not in job["note"]


def test_nothing_to_take_back_is_refused_as_the_command_does(over: Any) -> None:
    refused = over.refused("resume_stack", stack="shop", rollback=True)
    (found,) = refused.data["diagnostics"]
    ran = command(over.folder, "--rollback")
    assert (refused.code, found["code"], ran.returncode) == (-32003, "nothing-unfinished", 1)
    assert found["summary"] in ran.stderr
    assert [way["method"] for way in refused.data["ways"]][:1] == ["undo"]


def test_the_name_of_an_apply_that_does_not_wait_is_not_found(over: Any) -> None:
    refused = over.refused("resume_stack", stack="shop", which="apply-7")
    (found,) = refused.data["diagnostics"]
    ran = command(over.folder, "apply-7")
    assert (refused.code, found["code"], ran.returncode) == (-32001, "not-unfinished", 1)
    assert found["summary"] in ran.stderr
