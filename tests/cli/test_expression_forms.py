"""What expressions in a stack may say, seen in the outputs and values of a plan."""

import json
from typing import Any

import pytest

_HEAD = """\
stack: shop
variables:
  workers: {type: integer, default: 2}
  ports: {type: list, default: ["80", "443"]}
  token: {sensitive: true}
images: {tiny: {source: "https://example.org/tiny.qcow2", unpinned: true, format: qcow2}}
networks: {lan: {cidr: 10.42.0.0/24}}
"""


def _outputs(herocloud: Any, vms: str, **outputs: str) -> dict[str, Any]:
    lines = "".join(f"  {name}: '{text}'\n" for name, text in outputs.items())
    herocloud.write(f"{_HEAD}vms:\n{vms}outputs:\n{lines}")
    ran = herocloud.done("plan", "--json", "--var", "token=x")
    return {name: change["after"] for name, change in json.loads(ran.out)["output_changes"].items()}


WORKERS = '  worker: {count: "{{ workers + 1 }}", image: tiny, networks: [lan]}\n'


def test_blanks_around_an_operator_are_optional(herocloud: Any) -> None:
    unspaced = WORKERS.replace("workers + 1", "workers+1")
    found = _outputs(herocloud, unspaced, many="{{ workers+1 }}", few="{{workers -1}}", same="{{ workers + 0 }}")
    assert found == {"many": 3, "few": 1, "same": 2}


def test_a_splat_is_the_list_of_all_instances(herocloud: Any) -> None:
    found = _outputs(
        herocloud,
        WORKERS,
        all="{{ vm.worker[*].address.lan }}",
        joined='{{ join(vm.worker[*].address.lan, ",") }}',
        many="{{ length(vm.worker[*].address.lan) }}",
        text="at {{ vm.worker[*].address.lan }}",
    )
    addresses = ["10.42.0.2", "10.42.0.3", "10.42.0.4"]
    assert found == {"all": addresses, "joined": ",".join(addresses), "many": 3, "text": f"at {', '.join(addresses)}"}


def test_a_splat_of_a_vm_without_count_is_a_list_of_one(herocloud: Any) -> None:
    assert _outputs(herocloud, "  db: {image: tiny, networks: [lan]}\n", all="{{ vm.db[*].address.lan }}") == {"all": ["10.42.0.2"]}


def test_a_splat_counts_the_instances_of_the_file_and_not_those_that_go(herocloud: Any) -> None:
    text = f"{_HEAD}vms:\n  worker: {{count: 3, image: tiny, networks: [lan]}}\noutputs:\n  all: '{{{{ vm.worker[*].address.lan }}}}'\n"
    herocloud.write(text)
    herocloud.done("apply", "-y", "-q", "--var", "token=x")
    herocloud.write(text.replace("count: 3", "count: 1"))
    document = json.loads(herocloud.done("plan", "--json", "--var", "token=x").out)
    assert document["output_changes"]["all"]["after"] == ["10.42.0.2"]


def test_values_of_a_vm_take_lists_as_texts(herocloud: Any) -> None:
    herocloud.write(f"{_HEAD}vms:\n{WORKERS}  lb: {{image: tiny, env: {{PEERS: '{{{{ vm.worker[*].address.lan }}}}'}}}}\n")
    changes = json.loads(herocloud.done("plan", "--json", "--var", "token=x").out)["resource_changes"]
    (lb,) = [one for one in changes if one["address"] == "vm.lb"]
    assert lb["change"]["after"]["env"] == {"PEERS": "10.42.0.2, 10.42.0.3, 10.42.0.4"}


def test_the_name_of_the_stack_and_list_variables_can_be_used(herocloud: Any) -> None:
    found = _outputs(herocloud, WORKERS, name="{{ stack }}-front", open='{{ join(ports, "+") }}', many="{{ length(ports) }}")
    assert found == {"name": "shop-front", "open": "80+443", "many": 2}


@pytest.mark.parametrize("said", ["mac", "sid", "memory", "{{ stack }}", "join", "length", "[*]"])
def test_the_hint_of_a_wrong_expression_lists_all_forms(herocloud: Any, said: str) -> None:
    herocloud.write(f"{_HEAD}vms:\n{WORKERS}outputs:\n  x: '{{{{ vm.worker.colour }}}}'\n")
    ran = herocloud("validate", "--var", "token=x")
    assert ran.code == 1
    assert said in ran.err


def test_a_sensitive_variable_of_the_command_line_reaches_its_secret(herocloud: Any) -> None:
    herocloud.write(f"{_HEAD}vms:\n  db: {{image: tiny, secrets: {{token: {{env: HEROCLOUD_VAR_token}}}}}}\n")
    herocloud.done("apply", "-y", "-q", "--var", "token=x")
    assert herocloud.done("plan", "--var", "token=x").out.strip() == "No changes."
    assert "secrets" in herocloud.done("plan", "--var", "token=y").out


def test_a_sensitive_variable_of_a_file_reaches_its_secret(herocloud: Any) -> None:
    herocloud.write(f"{_HEAD}vms:\n  db: {{image: tiny, secrets: {{token: {{env: HEROCLOUD_VAR_token}}}}}}\n")
    herocloud.write("token: x\n", "values.yaml")
    ran = herocloud("apply", "-y", "-q", "--var-file", "values.yaml")
    assert ran.code == 0, ran.both
    assert herocloud.done("plan", "--var", "token=x").out.strip() == "No changes."
    herocloud.write("token: y\n", "values.yaml")
    assert "secrets" in herocloud.done("plan", "--var-file", "values.yaml").out


def test_a_secret_that_is_missing_names_its_variable(herocloud: Any) -> None:
    herocloud.write(f"{_HEAD}vms:\n  db: {{image: tiny, secrets: {{token: {{env: HEROCLOUD_VAR_token}}}}}}\n")
    ran = herocloud("plan")
    assert ran.code == 1
    assert "give it with `--var token=VALUE`" in ran.err
    assert "HEROCLOUD_DATA_DIR" not in ran.err
