"""Ways out that the layers below know as commands reach callers of the API as methods and parameters."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from herocloud.cli import command_table
from herocloud.model.errors import Locked
from herocloud.providers.simulator import world
from herocloud.rpc.calls import advice
from herocloud.rpc.client import Client
from herocloud.rpc.client.error_types import WrongState
from herocloud.state import locking

YAML = "stack: shop\nvolumes: {{data: {{size: 1 GiB, protect: {protect}}}}}\n"


def test_every_way_is_a_command_and_a_method_that_has_its_parameters(document: dict[str, Any]) -> None:
    methods = {method["name"]: {one["name"] for one in method["params"]} for method in document["methods"]}
    commands = {" ".join(words) for words, _ in command_table.leaves()}
    for command, way in advice._WAYS.items():
        assert command in commands
        for method in way.method.split("` and `"):
            assert {*way.names} - {"for"} <= methods[method], command
    parameters = set().union(*methods.values())
    named = {text.partition(":")[0] for text in (*advice._SWITCHES.values(), *advice._VALUES.values(), *advice._LISTS.values())}
    assert named <= parameters
    assert methods.keys() >= advice._METHODS


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("`herocloud undo apply-3` takes it back", '`undo` with `which: "apply-3"` takes it back'),
        ("`herocloud vm snapshot delete vm.src one`", '`delete_snapshot` for `vm.src` with `name: "one"`'),
        ("`herocloud vm delete vm.a --purge`", "`delete_vm` for `vm.a` with `purge: true`"),
        ("`herocloud resume apply-1 --approve create,stop`", '`resume_stack` with `which: "apply-1", approve: ["create", "stop"]`'),
        ("`herocloud apply --exclude 'web[*]'`", '`plan_stack` and `apply_plan` with `exclude: ["web[*]"]`'),
        ("leave it out with `--exclude`, or `--purge` it", "leave it out with `exclude`, or `purge: true` it"),
        ("give `--hypervisor simulator`", 'give `hypervisor: "simulator"`'),
        ("`herocloud state list` shows it", "`get_stack` shows it"),
        ("give one with `--var x=V` or `HEROCLOUD_VAR_x`", 'give one with `variables: {"x": "V"}`'),
        ("give it with `--var x=5`", 'give it with `variables: {"x": "5"}`'),
        # For whoever runs the host.
        ("`herocloud doctor` says why", "`herocloud doctor` says why"),
        ("`herocloud plan --out FILE`", "`herocloud plan --out FILE`"),
        ("`herocloud undo one two`", "`herocloud undo one two`"),
        ("`herocloud undo 'one`", "`herocloud undo 'one`"),
        # What is no command stays.
        ("`undo apply-3` and `vm.web` and `cp --sparse=always A B`", "`undo apply-3` and `vm.web` and `cp --sparse=always A B`"),
    ],
)
def test_commands_are_said_as_methods(said: str, read: str) -> None:
    assert advice.in_methods(said) == read
    assert advice.in_methods(read) == read


def test_refusals_of_the_daemon_name_no_command_that_has_a_method(daemon: Any) -> None:
    sid = daemon.call("deploy_vm", name="web", slice_sid="s1", image="tiny", wait=30)["sid"]
    daemon.call("create_snapshot", sid=sid, name="one", wait=30)
    found = [daemon.refused("create_snapshot", sid=sid, name="one", wait=30).data, daemon.refused("undo", stack="nope").data]
    plan = daemon.call("plan_stack", yaml=YAML.format(protect="true"))
    daemon.call("apply_plan", plan_id=plan["plan_id"], approve=["create"], wait=30)
    found.append(daemon.call("plan_stack", yaml="stack: shop\n")["diagnostics"])
    found.append(
        daemon.call("validate_stack", yaml="stack: q\nvariables: {x: {type: string}}\nvms:\n  a: {image: '${x}'}\n")["diagnostics"]
    )
    texts = [json.dumps(one) for one in found]
    for text in texts:
        commands = re.findall(r"`herocloud ([^`]*)`|`(--[a-z]+)[^`]*`", text)
        assert not commands, text
    assert '`delete_snapshot` for `vm.web` with `name: \\"one\\"`' in texts[0]
    assert "`state_log`" in texts[1]
    assert "variables: {" in texts[3]


def test_the_ways_out_of_a_refusal_are_calls_that_a_program_can_make(daemon: Any) -> None:
    with Client(daemon.path) as client:
        sid = client.deploy_vm("web", "s1", "tiny", wait=30)["sid"]
        client.create_snapshot(sid=sid, name="one", wait=30)
        with pytest.raises(WrongState) as refused:
            client.create_snapshot(sid=sid, name="one", wait=30)
        (way,) = refused.value.ways
        assert way == {"method": "delete_snapshot", "params": {"name": "one"}, "about": "vm.web"}
        client.wait(client.call(way["method"], {"sid": sid, **way["params"]}))
        client.create_snapshot(sid=sid, name="one", wait=30)


def test_a_refusal_without_a_call_that_leads_out_has_no_ways(daemon: Any) -> None:
    refused = daemon.refused("deploy_vm", name="web", slice_sid="s1", image="nothing", wait=30)
    assert refused.data["ways"] == []


@pytest.mark.parametrize(
    ("said", "ways"),
    [
        (
            "`herocloud resume apply-1` finishes it, `herocloud resume apply-1 --rollback` takes it back",
            [
                {"method": "resume_stack", "params": {"which": "apply-1"}, "about": None},
                {"method": "resume_stack", "params": {"which": "apply-1", "rollback": True}, "about": None},
            ],
        ),
        (
            "`herocloud apply --target vm.a --approve reboot`",
            [
                {"method": "plan_stack", "params": {"target": ["vm.a"]}, "about": None},
                {"method": "apply_plan", "params": {"approve": ["reboot"]}, "about": None},
            ],
        ),
        ("`herocloud vm delete vm.a --purge`", [{"method": "delete_vm", "params": {"purge": True}, "about": "vm.a"}]),
        ("`list_jobs` lists them", [{"method": "list_jobs", "params": {}, "about": None}]),
        ("give it with `--var x=5`, or ask `herocloud doctor`", []),
    ],
)
def test_commands_in_a_text_are_found_as_calls(said: str, ways: list[dict[str, Any]]) -> None:
    assert advice.find_ways(advice.in_methods(said)) == ways


def refusal(daemon: Any, method: str, **params: Any) -> dict[str, Any]:
    (found,) = daemon.refused(method, **params).data["diagnostics"]
    return dict(found)


def test_who_deploys_has_no_stack_file_and_no_flags(daemon: Any) -> None:
    deploy = {"name": "web", "slice_sid": "s1", "image": "tiny", "wait": 30}
    found = refusal(daemon, "deploy_vm", **{**deploy, "image": "nope"})
    assert found["detail"] == "The catalogue of this host has no image `nope`."
    assert "catalogue" in found["hint"]
    found = refusal(daemon, "deploy_vm", **deploy, hypervisor="qemu")
    assert "`hypervisor: auto`" in found["hint"]
    assert "--" not in found["hint"]
    assert found["range"] is None
    found = refusal(daemon, "deploy_vm", **deploy, more_slices=["s1"])
    assert found["hint"] == "name each slice once, in `slice_sid` or in `more_slices`"


def test_a_lock_and_an_empty_stack_have_ways_out_without_a_terminal(daemon: Any, folder: Path) -> None:
    found = refusal(daemon, "plan_stack", yaml="")
    assert found["hint"] == "begin with `stack: NAME`"
    for empty in ("", "# nothing yet\n"):
        found = refusal(daemon, "plan_stack", yaml=empty)
        assert (found["code"], "file" in f"{found['summary']} {found['detail']}".lower()) == ("yaml-empty", False)
    found = refusal(daemon, "plan_stack", yaml="stack: s\nvariables: {x: {type: string}}\n")
    assert found["hint"] == 'give one with `variables: {"x": "VALUE"}`'
    with locking.hold(folder, "apply", None, 0.0), pytest.raises(Locked) as locked, locking.hold(folder, "apply", None, 0.0):
        pass
    said = advice.in_methods(locked.value.diagnostics[0].detail)
    assert "wait for it, or end the process" in said
    assert "--lock-timeout" not in said


def test_only_who_can_leave_something_out_of_a_plan_is_told_so(daemon: Any) -> None:
    plan = daemon.call("plan_stack", yaml=YAML.format(protect="true"))
    daemon.call("apply_plan", plan_id=plan["plan_id"], approve=["create"], wait=30)
    refused = daemon.refused("destroy_stack", stack="shop", approve=["destroy"], wait=30)
    (found,) = refused.data["diagnostics"]
    assert found["code"] == "protected"
    assert found["hint"] == "set `protect: false` on `volume.data` and apply that first (put its block back for it)"
    planned = daemon.call("plan_stack", yaml="stack: shop\n")
    (shown,) = [one for one in planned["diagnostics"] if one["code"] == "protected"]
    assert shown["hint"] == f'{found["hint"]}, or leave `volume.data` out with `exclude: ["volume.data"]`'


def test_a_deployed_vm_that_is_gone_is_deleted_and_not_applied(daemon: Any) -> None:
    sid = daemon.call("deploy_vm", name="web", slice_sid="s1", image="tiny", wait=30)["sid"]
    world.remove_thing(daemon.folder, "vm.web")
    found = refusal(daemon, "start_vm", sid=sid, wait=30)
    assert found["hint"] == "`delete_vm` for `vm.web` takes it out of the records, and then it can be deployed again"
