"""The OpenRPC document: checked in, valid, complete, and true."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import referencing

from herocloud.rpc.calls import error_codes
from herocloud.rpc.wire import endpoints

ROOT = Path(__file__).parents[2]
META_SCHEMA = ROOT.parent / "shared" / "reference" / "openrpc-meta-schema.json"


def test_the_checked_in_document_is_what_the_methods_say(document: dict[str, Any]) -> None:
    assert (ROOT / "openrpc.json").read_bytes() == endpoints.dump(document), "scripts/openrpc writes it"


def test_the_document_is_valid_against_the_meta_schema(document: dict[str, Any]) -> None:
    if not META_SCHEMA.exists():
        pytest.skip("the OpenRPC meta-schema is not here: ../shared/reference/openrpc-meta-schema.json")
    meta = json.loads(META_SCHEMA.read_text(encoding="utf-8"))
    # It refers to the meta-schema of JSON Schema by an address of its own; nothing is fetched.
    meta.pop("$schema")
    draft = {**jsonschema.Draft7Validator.META_SCHEMA, "definitions": {**jsonschema.Draft7Validator.META_SCHEMA["definitions"]}}
    draft["definitions"]["JSONSchemaObject"] = {"type": "object", "properties": {"$ref": {"type": "string"}}}
    local = referencing.Resource.from_contents({**draft, "$id": "https://meta.json-schema.tools"}, referencing.jsonschema.DRAFT7)
    registry = referencing.Registry().with_resources(
        [("https://meta.json-schema.tools", local), ("https://meta.json-schema.tools/", local)]
    )
    found = list(jsonschema.Draft7Validator(meta, registry=registry).iter_errors(document))
    assert not found, [f"{list(error.absolute_path)}: {error.message[:200]}" for error in found]


def test_every_method_has_description_schemas_errors_and_an_example(document: dict[str, Any]) -> None:
    own = {kind.code for kind in error_codes.OWN}
    for method in document["methods"]:
        assert method["summary"].endswith("."), method["name"]
        assert method["description"], method["name"]
        assert method["result"]["schema"], method["name"]
        assert {error["code"] for error in method["errors"]} <= own, method["name"]
        assert method["examples"], method["name"]
        for parameter in method["params"]:
            assert parameter["description"], (method["name"], parameter["name"])
            assert parameter["schema"], (method["name"], parameter["name"])


def test_required_parameters_come_first(document: dict[str, Any]) -> None:
    for method in document["methods"]:
        required = [parameter["required"] for parameter in method["params"]]
        assert required == sorted(required, reverse=True), method["name"]


@pytest.mark.parametrize(
    ("method", "names"),
    [
        ("deploy_vm", ["name", "slice_sid", "image", "cpu_count", "secret", "idempotency_key"]),
        ("get_slice", ["slice_sid"]),
        ("start_vm", ["sid"]),
        ("stop_vm", ["sid", "force", "timeout"]),
        ("attach_hypervisor", ["sid"]),
        ("vm_logs", ["sid", "lines", "follow_from"]),
        ("vm_exec", ["sid", "command", "args", "input", "timeout"]),
        ("create_snapshot", ["sid", "name", "memory", "sids"]),
        ("clone_vm", ["sid", "name"]),
        ("plan_stack", ["yaml", "variables"]),
        ("apply_plan", ["plan_id"]),
        ("resume_stack", ["stack", "rollback"]),
        ("wait_job", ["job_id", "timeout"]),
        ("events", ["from"]),
        ("migrate_secret", ["old_secret", "new_secret"]),
    ],
)
def test_by_position_the_parameters_that_a_method_is_known_by_come_first(document: dict[str, Any], method: str, names: list[str]) -> None:
    (found,) = (described for described in document["methods"] if described["name"] == method)
    assert [parameter["name"] for parameter in found["params"]][: len(names)] == names


def test_the_fourteen_methods_of_hero_are_there(document: dict[str, Any]) -> None:
    names = {method["name"] for method in document["methods"]}
    assert names >= {
        "node_register", "node_status", "list_slices", "get_slice", "deploy_vm", "start_vm", "stop_vm", "restart_vm", "delete_vm",
        "list_vms", "get_vm", "attach_hypervisor", "vm_logs", "vm_exec", "migrate_secret", "rpc.discover", "rpc.health",
    }  # fmt: skip


def test_the_daemon_serves_the_same_document_in_both_ways(daemon: Any, document: dict[str, Any]) -> None:
    reply = daemon.request("GET", "/openrpc.json")
    assert (reply.status, reply.json) == (200, document)
    assert daemon.call("rpc.discover") == document


def resolved(schema: Any, document: dict[str, Any]) -> dict[str, Any]:
    return {**schema, "components": document["components"]} if isinstance(schema, dict) else schema


def test_every_example_is_answered_as_its_schema_says_in_the_order_of_the_document(daemon: Any, document: dict[str, Any]) -> None:
    for method in document["methods"]:
        schema = resolved(method["result"]["schema"], document)
        names = [parameter["name"] for parameter in method["params"]]
        for example in method["examples"]:
            jsonschema.validate(example["result"]["value"], schema)
            # By position the same call means the same, as far as its parameters stand at the beginning.
            assert [parameter["name"] for parameter in example["params"]] == names[: len(example["params"])], method["name"]
            answer = daemon.call(method["name"], **{parameter["name"]: parameter["value"] for parameter in example["params"]})
            jsonschema.validate(answer, schema)
            assert kind_of(answer) == kind_of(example["result"]["value"]), method["name"]


def kind_of(answer: Any) -> Any:
    """What a job became, and of everything else how it is called: the rest differs from run to run."""
    if isinstance(answer, dict):
        return answer.get("status"), answer.get("method"), answer.get("sid"), answer.get("state")
    return type(answer)
