"""Several applies on one host: they run at the same time unless they want the same things, and then one of them wins."""

import datetime as dt
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from typing import Any

import pytest

Spawn = Callable[..., "subprocess.Popen[str]"]

STACK = """\
stack: {name}
images:
  img: {{source: "https://example.org/d.qcow2", unpinned: true, format: qcow2}}
networks:
  lan: {{cidr: {cidr}}}
vms:
  web: {{count: 2, image: img, networks: [lan], memory: 1 GiB}}
"""


@pytest.fixture
def slow(herocloud: Any) -> None:
    """Let every simulated step take a while."""
    with (herocloud.data_folder / "host.yaml").open("a", encoding="utf-8") as file:
        file.write("simulator: {step_time: 250 ms}\n")


@pytest.fixture
def pair(herocloud: Any) -> tuple[str, str]:
    """Write two stacks that want nothing of each other."""
    herocloud.write(STACK.format(name="one", cidr="10.61.0.0/24"), "one.yaml")
    herocloud.write(STACK.format(name="two", cidr="10.62.0.0/24"), "two.yaml")
    return "one.yaml", "two.yaml"


def _spans(out: str) -> tuple[float, float]:
    """Return when the first step of an event stream started and the last one ended."""
    lines = [json.loads(line) for line in out.splitlines()]
    stamps = [dt.datetime.fromisoformat(line["@timestamp"]).timestamp() for line in lines if line["type"].startswith("apply_")]
    return min(stamps), max(stamps)


@pytest.mark.usefixtures("slow")
def test_two_stacks_are_applied_at_the_same_time(herocloud: Any, pair: tuple[str, str], spawn: Spawn) -> None:
    both = [spawn("apply", "-y", "--json", "-f", file) for file in pair]
    spans = []
    for process in both:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        spans.append(_spans(out))
    (first_began, first_ended), (second_began, second_ended) = spans
    assert max(first_began, second_began) < min(first_ended, second_ended), "one waited for the other"
    for file in pair:
        assert herocloud.done("plan", "-f", file).out == "No changes.\n"
    held = [sid for record in _vms(herocloud) for sid in record["spec"]["slices"]]
    assert len(held) == len(set(held)) == 4


def _vms(herocloud: Any) -> list[dict[str, Any]]:
    stacks = (
        json.loads(herocloud.done("show", "--json", "--stack", "one").out)["stacks"]
        | json.loads(herocloud.done("show", "--json", "--stack", "two").out)["stacks"]
    )
    return [record for stack in stacks.values() for record in stack["resources"] if record["address"].startswith("vm.")]


@pytest.mark.usefixtures("slow")
def test_a_plan_beside_an_apply_counts_what_that_may_come_to_hold(herocloud: Any, pair: tuple[str, str], spawn: Spawn) -> None:
    process = spawn("apply", "-y", "--json", "-f", pair[0])
    assert process.stdout is not None
    next(line for line in process.stdout if '"apply_start"' in line)
    plan = json.loads(herocloud("plan", "--json", "-f", pair[1]).out)
    process.communicate(timeout=120)
    after = {change["address"]: change["change"]["after"] for change in plan["resource_changes"]}
    assert [after[f"vm.web[{number}]"]["slices"] for number in (0, 1)] == [["s3"], ["s4"]]
    assert plan["capacity"]["slices"]["before"] == 2


@pytest.mark.usefixtures("slow")
def test_an_unfinished_apply_of_one_stack_does_not_gate_another(herocloud: Any, pair: tuple[str, str], spawn: Spawn) -> None:
    cut = spawn("apply", "-y", "-q", "-f", pair[0], env={**os.environ, "HEROCLOUD_FAULTS": "apply.perform.after:2:kill"})
    cut.communicate(timeout=60)
    assert cut.returncode == -signal.SIGKILL
    herocloud.done("apply", "-y", "-f", pair[1])
    held = [record["spec"]["slices"] for record in _vms(herocloud) if record["stack"] == "two"]
    assert held == [["s3"], ["s4"]], "what the unfinished apply may still need was given away"
    herocloud.done("resume", "-y", "--stack", "one")
    assert herocloud.done("plan", "-f", pair[0]).out == "No changes.\n"


@pytest.mark.usefixtures("slow")
def test_every_unfinished_apply_is_resumed_on_its_own(herocloud: Any, pair: tuple[str, str], spawn: Spawn) -> None:
    for file in pair:
        cut = spawn("apply", "-y", "-q", "-f", file, env={**os.environ, "HEROCLOUD_FAULTS": "apply.perform.after:2:kill"})
        cut.communicate(timeout=60)
    ambiguous = herocloud("resume", "-y")
    assert ambiguous.code == 1, ambiguous.both
    assert "`apply-1` of stack `one`" in ambiguous.err
    herocloud.done("resume", "apply-1", "-y")
    assert herocloud.done("plan", "-f", pair[0]).out == "No changes.\n"
    herocloud.done("resume", "apply-2", "--rollback", "-y")
    assert [record["stack"] for record in json.loads(herocloud.done("state", "list", "--json").out)["records"]] == ["one"] * 4


@pytest.mark.usefixtures("slow")
def test_the_same_stack_waits_and_is_named_when_the_time_ran_out(herocloud: Any, pair: tuple[str, str], spawn: Spawn) -> None:
    process = spawn("apply", "-y", "--json", "-f", pair[0])
    assert process.stdout is not None
    next(line for line in process.stdout if '"apply_start"' in line)
    held = json.loads(herocloud.done("state", "lock", "--json").out)["holders"]
    late = herocloud("apply", "-y", "-f", pair[0], "--lock-timeout", "0")
    process.communicate(timeout=120)
    assert [(one["scope"], one["stack"], one["pid"]) for one in held] == [("stack", "one", process.pid)]
    assert all(one["since"] and one["plan"] for one in held)
    assert late.code == 11, late.both
    assert str(process.pid) in late.err
    assert "stack `one`" in late.err


@pytest.mark.usefixtures("slow")
def test_commands_on_two_vms_of_a_stack_run_at_once(herocloud: Any, pair: tuple[str, str], spawn: Spawn) -> None:
    herocloud.done("apply", "-y", "-q", "-f", pair[0])
    host = herocloud.data_folder / "host.yaml"
    host.write_text(host.read_text(encoding="utf-8").replace("250 ms", "3 s"), encoding="utf-8")
    both = [spawn("vm", "stop", f"web[{number}]", "--stack", "one") for number in (0, 1)]
    seen = set()
    deadline = time.monotonic() + 60
    while any(process.poll() is None for process in both) and time.monotonic() < deadline:
        seen |= {len(json.loads(herocloud.done("state", "lock", "--json").out)["holders"])}
    told = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0], told
    powers = [record["observed"]["power"] for record in _vms_of(herocloud, "one")]
    assert powers == ["stopped", "stopped"]
    assert max(seen) >= 2, "each waited for the other"


def _vms_of(herocloud: Any, stack: str) -> list[dict[str, Any]]:
    resources = json.loads(herocloud.done("show", "--json", "--stack", stack).out)["stacks"][stack]["resources"]
    return [record for record in resources if record["address"].startswith("vm.")]


WANTED = """\
stack: {name}
images:
  img: {{source: "https://example.org/d.qcow2", unpinned: true, format: qcow2}}
networks:
  lan: {{cidr: {cidr}{forward}}}
vms:
  only: {{image: img, networks: [lan], memory: {memory}{more}}}
"""

RACES = {
    "slice": ({"more": ", slice: s5"}, {"more": ", slice: s5"}, 14),
    "capacity": ({"memory": "200 GiB"}, {"memory": "200 GiB"}, 14),
    "range": ({"cidr": "10.61.0.0/24"}, {"cidr": "10.61.0.0/25"}, 1),
    "port": ({"forward": ", forward: [{host_port: 8080, vm: only, port: 80}]"},) * 2 + (1,),
}


def _write_race(herocloud: Any, what: str) -> int:
    *sides, code = RACES[what]
    for number, (name, wanted) in enumerate(zip(("one", "two"), sides, strict=True)):
        usual = {"cidr": f"10.8{number}.0.0/24", "forward": "", "memory": "1 GiB", "more": ""}
        herocloud.write(WANTED.format(name=name, **{**usual, **wanted}), f"{name}.yaml")
    return code


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize("what", list(RACES))
def test_of_two_that_want_the_same_one_wins(herocloud: Any, spawn: Spawn, what: str) -> None:
    code = _write_race(herocloud, what)
    both = [spawn("apply", "-y", "-q", "-f", f"{name}.yaml") for name in ("one", "two")]
    told = [process.communicate(timeout=120) for process in both]
    assert sorted(process.returncode for process in both) == [0, code], told
    loser = next(place for place, process in enumerate(both) if process.returncode)
    name = ("one", "two")[loser]
    recorded = json.loads(herocloud.done("state", "list", "--json").out)["records"]
    assert all(record["stack"] != name for record in recorded), "the loser changed something"
    assert herocloud("plan", "-f", f"{name}.yaml").code == code, "it ended as a plan made a moment later would"


@pytest.mark.parametrize("what", list(RACES))
def test_a_saved_plan_that_came_second_is_stale(herocloud: Any, what: str) -> None:
    _write_race(herocloud, what)
    herocloud.done("plan", "-f", "one.yaml", "--out", "one.plan")
    herocloud.done("apply", "-y", "-q", "-f", "two.yaml")
    ran = herocloud("apply", "one.plan")
    assert ran.code == 10, ran.both
    assert "The plan is stale" in ran.err
