"""Thousands of wrong inputs for each method, made from its own schemas: errors that say what is wrong, and nothing else."""

import json
import os
import random
from typing import Any

import pytest

from herocloud.operations import plan_files
from herocloud.rpc.calls import error_codes
from herocloud.rpc.methods import all_methods

CASES = int(os.environ.get("HEROCLOUD_FUZZ_CASES", "200"))
"""Inputs for each method; set HEROCLOUD_FUZZ_CASES to thousands for a campaign."""
WRONG: list[Any] = [
    None, True, False, 0, -1, 1, 2**63, -(2**70), 0.5, 1e308, "", " ", "x", "x" * 5000, "\0", "\ud800", "../../etc/shadow",
    "{{ host.name }}", "{{ vm.web.sid }}", "'; DROP TABLE jobs; --", "s1", "s99", "v1", "vnyhs9", "j1", "j999999", "%s%n", "\u202e",
    "\U0001f980" * 200, [], [[]], {}, {"a": {}}, ["s1"], [None], {"secret": "x"}, {"": ""}, ["x"] * 2000, {"__proto__": 1},
    "stack: shop\nvms: [", "stack: [\n", "- - -", "&a [*a]", "stack: imperative\n",
]  # fmt: skip
LEAKS = ("Traceback", "herocloud/", ".py", "sqlite", "Exception", "site-packages", "NoneType", "object at 0x")


def make_params(method: dict[str, Any], chance: random.Random) -> Any:
    """Make parameters of which at least one is wrong, mostly; the others come from the example."""
    known = {one["name"]: one["value"] for one in method["examples"][0]["params"]}
    params: dict[str, Any] = {}
    for parameter in method["params"]:
        name = parameter["name"]
        kind = chance.random()
        if kind < 0.45:
            params[name] = chance.choice(WRONG)
        elif kind < 0.6:
            params[name] = mutate(known.get(name, chance.choice(WRONG)), chance)
        elif name in known:
            params[name] = known[name]
    if chance.random() < 0.15:
        params[chance.choice(["nonsense", "self", "desk", "__class__", "", "from_"])] = chance.choice(WRONG)
    if "wait" in params and not isinstance(params["wait"], str | list | dict | bool | None):
        params["wait"] = 0
    for name in ("timeout", "lines", "limit"):
        if isinstance(params.get(name), int | float) and not isinstance(params[name], bool):
            params[name] = min(params[name], 0.2) if name == "timeout" else params[name]
    return list(params.values()) if chance.random() < 0.2 else params


def mutate(value: Any, chance: random.Random) -> Any:
    """Change a good value a little."""
    if isinstance(value, str) and value:
        place = chance.randrange(len(value))
        return value[:place] + chance.choice(["", "\0", "'", "{{", "\n", "é", value]) + value[place + 1 :]
    if isinstance(value, dict) and value:
        return {**value, chance.choice(list(value)): chance.choice(WRONG)}
    if isinstance(value, list):
        return [*value, chance.choice(WRONG)]
    return chance.choice(WRONG)


@pytest.fixture(scope="module")
def state(shared: Any) -> Any:
    shared.call("deploy_vm", name="kept", slice_sid="s7", image="tiny", secret="s", wait=30)
    return shared


# What these do is meant to change the state, and a fuzzer hits a good input now and then.
CHANGING = {"deploy_vm", "node_register", "apply_plan", "run_plan", "undo", "resume_stack", "destroy_stack"}


@pytest.mark.parametrize("name", [method["name"] for method in all_methods.openrpc()["methods"]])
def test_wrong_inputs_give_errors_that_say_what_is_wrong(state: Any, name: str) -> None:
    method = next(found for found in all_methods.openrpc()["methods"] if found["name"] == name)
    chance = random.Random(name)
    before = state.service.desk.recorded.serial
    declared = {error["code"] for error in method["errors"]} | {-32602}
    for _ in range(CASES):
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": name, "params": make_params(method, chance)})
        answer = state.post(body).json
        if "error" not in answer:
            continue
        error = answer["error"]
        assert error["code"] != error_codes.INTERNAL_ERROR.code, body
        assert error["code"] in declared, (body, error)
        text = json.dumps(error)
        own = json.dumps(body)
        assert not [leak for leak in LEAKS if leak in text and leak not in own], (body, text)
        assert str(state.folder) not in text, (body, text)
    if name not in CHANGING:
        assert state.service.desk.recorded.serial == before


@pytest.mark.parametrize(
    "harm", [lambda text: text[:-40] + "\n", lambda text: text.replace('"vm.front"', '"vm.other"', 1), lambda _text: "{}\n{}\n", str.upper]
)
def test_a_plan_that_is_damaged_on_its_way_is_not_run(state: Any, harm: Any) -> None:
    yaml = "stack: shop\nimages:\n  tiny: {kernel: ./vmlinuz}\nvms:\n  front: {image: tiny, memory: 1 GiB}\n"
    made = state.call("plan_stack", yaml=yaml, contents={"vmlinuz": "x"})
    whole = plan_files.dump(state.service.desk.shelf.get(made["plan_id"]).plan).decode()
    head, _, body = whole.partition("\n")
    before = state.service.desk.recorded.serial
    refused = state.refused(
        "run_plan", plan=f"{head}\n{harm(body)}" if harm is not str.upper else harm(whole), options={"approved": ["create"]}
    )
    assert refused.code == -32602
    assert state.service.desk.recorded.serial == before
