"""What callers are answered while the state or the host file cannot be read: a declared error that blames no parameter of theirs."""

import json
from pathlib import Path
from typing import Any

import pytest

from herocloud.rpc.calls import error_codes
from herocloud.rpc.methods import all_methods

SHOP = "stack: shop\nvms: {web: {image: tiny, memory: 1 GiB}}\n"
WAIT = 30


def take_the_state(folder: Path) -> None:
    (folder / "state.db").rename(folder / "away.db")


def spoil_the_host_file(folder: Path) -> None:
    (folder / "host.yaml").write_text("name: example\nnonsense: 1\n", encoding="utf-8")


def break_the_host_file(folder: Path) -> None:
    (folder / "host.yaml").write_text("name: [\n", encoding="utf-8")


@pytest.fixture
def known(daemon: Any) -> dict[str, Any]:
    """What parameters of each name stand for here: all that they name is there."""
    sid = daemon.call("deploy_vm", name="old", slice_sid="s1", image="tiny", wait=WAIT)["sid"]
    daemon.call("create_snapshot", sid=sid, name="first", wait=WAIT)
    plan = daemon.call("plan_stack", yaml=SHOP)["plan_id"]
    daemon.call("apply_plan", plan_id=plan, approve=["create"], wait=WAIT)
    found = {"sid": sid, "name": "first", "slice_sid": "s5", "image": "tiny", "command": "true", "yaml": SHOP, "plan_id": plan}
    return found | {"stack": "shop", "job_id": "j1", "old_secret": "a", "new_secret": "b", "wait": WAIT, "timeout": 1, "from": 1}


@pytest.mark.parametrize("harm", [take_the_state, spoil_the_host_file, break_the_host_file])
def test_every_method_gives_an_error_that_it_declares(daemon: Any, known: dict[str, Any], harm: Any) -> None:
    harm(daemon.folder)
    daemon.service.desk.sight.forget(machine=True)
    codes = {}
    for method in all_methods.openrpc()["methods"]:
        names = [parameter["name"] for parameter in method["params"]]
        params = {name: known[name] for name in names if name in known}
        if method["name"] == "list_vms":
            del params["stack"]
        answer = daemon.post(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method["name"], "params": params})).json
        if "error" in answer:
            codes[method["name"]] = answer["error"]["code"]
            assert answer["error"]["code"] in {error["code"] for error in method["errors"]}, (method["name"], answer)
    wrong_state = error_codes.WRONG_STATE.code
    assert {codes.get(name) for name in ("node_status", "resources", "drift", "plan_stack", "start_vm")} == {wrong_state}
    assert daemon.request("GET", "/health").status == 503
