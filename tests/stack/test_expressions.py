"""Expressions: what they may say, what they become, and where they wait for the plan."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from herocloud.stack import expressions

_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKJ6yWbEYYt3pNiZNQGRsDNFkFVFSl6oHD3zRdqeBOSP"
_HEAD = """\
stack: a
images: {tiny: {kernel: ./vmlinuz}}
variables: {two: {type: integer, default: 2}, mem: {default: 2 GiB}, keys: {type: list, default: [a, b]}, ssh: _SSH}
""".replace("_SSH", f"{{type: list, default: [{_KEY} one, {_KEY} two]}}")
_NET = "networks: {lan: {cidr: 10.0.0.0/24}}\n"


def _vms(sound, text: str, **options):
    return [one.spec for one in sound(_HEAD + text, **options).resources if one.kind == "vm"]


def test_a_value_that_is_only_an_expression_keeps_its_type(sound) -> None:
    (web, _second) = _vms(
        sound, 'vms: {web: {image: tiny, count: "{{ two }}", vcpus: "{{two}}", memory: "{{ mem }}", ssh_keys: "{{ ssh }}"}}'
    )
    assert (web["vcpus"], web["memory"], web["ssh_keys"]) == (2, 2 * 1024**3, [f"{_KEY} one", f"{_KEY} two"])


def test_an_expression_inside_a_text_becomes_text(sound) -> None:
    (web,) = _vms(sound, 'vms: {web: {image: tiny, env: {A: "x{{ two }}y{{ mem }}", B: "{{ two + 3 }}", C: "{{ keys }}!"}}}')
    assert web["env"] == {"A": "x2y2 GiB", "B": "5", "C": "a, b!"}


def test_the_host_tells_its_name_and_size(sound, making) -> None:
    told = "{{ host.name }} {{ host.slices }} {{ host.memory }} {{ host.disk }}"
    text = f'vms: {{web: {{image: tiny, vcpus: "{{{{ host.cpus - 4 }}}}", env: {{N: "{told}"}}}}}}'
    (web,) = _vms(sound, text, host=making.host(2, cpus=8))
    assert (web["vcpus"], web["env"]["N"]) == (4, "node1 2 9 GiB 256 GiB")


def test_a_host_that_is_not_known_is_told(codes) -> None:
    assert codes(_HEAD + 'outputs:\n  a: "{{ host.name }}"\n', host=None) == [(5, "unknown-host")]


def test_index_is_the_number_of_the_instance(sound) -> None:
    text = 'vms: {web: {image: tiny, count: 3, vcpus: "{{ index + 1 }}", slice: "s{{ index + 1 }}", labels: {n: "web-{{ index }}"}}}'
    vms = _vms(sound, text)
    assert [(one["vcpus"], one["slice"], one["labels"]["n"]) for one in vms] == [
        (1, ["s1"], "web-0"),
        (2, ["s2"], "web-1"),
        (3, ["s3"], "web-2"),
    ]


def test_the_same_instance_of_another_vm_is_named_by_index(sound) -> None:
    text = (
        _NET
        + 'vms: {db: {image: tiny, count: 2, networks: [lan]}, web: {image: tiny, count: 2, env: {DB: "{{ vm.db[index].address.lan }}"}}}'
    )
    assert [one["env"].get("DB") for one in _vms(sound, text)[2:]] == ["{{ vm.db[0].address.lan }}", "{{ vm.db[1].address.lan }}"]


def test_what_only_the_plan_knows_waits_for_it(sound) -> None:
    text = _NET + 'vms: {web: {image: tiny, networks: [lan], mycelium: true, user_data: {text: "{{ vm.web.mycelium }} {{ two }}"}}}\n'
    desired = sound(_HEAD + text + 'outputs: {a: ["{{ vm.web.address.lan }}", "{{ vm.web.sid }}"]}')
    assert desired.resources[-1].spec["user_data"] == "{{ vm.web.mycelium }} 2"
    assert desired.outputs == {"a": ["{{ vm.web.address.lan }}", "{{ vm.web.sid }}"]}


def test_the_content_of_a_user_data_file_is_nobodys_template(sound, folder) -> None:
    (folder / "jinja.yaml").write_text("## template: jinja\n{{ ds.meta_data }}\n")
    (web,) = _vms(sound, "vms: {web: {image: tiny, user_data: {file: ./jinja.yaml}}}")
    assert web["user_data"] == "## template: jinja\n{{ ds.meta_data }}\n"


def test_braces_can_be_written_as_such(sound) -> None:
    (web,) = _vms(sound, """vms: {web: {image: tiny, env: {A: "{{ '{{' }} x }}"}}}""")
    assert web["env"]["A"] == "{{ x }}"


@pytest.mark.parametrize(
    ("expression", "code"),
    [
        ("{{ too }}", "unknown-variable"), ("{{ var.two }}", "bad-expression"), ("{{ two * 2 }}", "bad-expression"),
        ("{{ mem + 1 }}", "bad-expression"), ("{{ two", "bad-expression"), ("{{}}", "bad-expression"),
        ("{{ host.nmae }}", "bad-expression"), ("{{ host.name + 1 }}", "bad-expression"),
        ("{{ index }}", "bad-expression"), ("{{ vm.web.address.lan }}", "bad-expression"),
        ("{{ vm.web }}", "bad-expression"), ("{{ vm }}", "bad-expression"),
    ],
)  # fmt: skip
def test_an_expression_that_cannot_be_resolved_is_refused_at_its_place(load, expression, code) -> None:
    loaded = load(_HEAD + _NET + f'vms:\n  web: {{image: tiny, networks: [lan], restart: "{expression}"}}\n')
    (found,) = loaded.diagnostics
    assert found.code == code
    assert found.place is not None
    assert found.place.line == 6


def test_each_mistake_in_one_text_is_told(codes) -> None:
    assert codes(_HEAD + 'outputs:\n  a: "{{ one }} and {{ three }}"\n') == [(5, "unknown-variable"), (5, "unknown-variable")]


def test_a_vm_may_be_named_before_it_is_there_but_has_to_be_there(codes) -> None:
    outputs = 'outputs:\n  a: "{{ vm.web.address.lan }}"\n  b: "{{ vm.web[0].address.lan }}"\n  c: "{{ vm.db.mycelium }}"\n'
    text = _HEAD + _NET + outputs + "vms: {web: {image: tiny, networks: [lan]}, db: {image: tiny}}\n"
    assert codes(text) == [(7, "unknown-vm"), (8, "not-attached")]


@given(st.text())
def test_any_text_can_be_searched_for_expressions(text) -> None:
    found = list(expressions.find(text))
    assert bool(found) == ("{{" in text)
    assert expressions.replace(text, lambda _one: expressions.KEEP) == text
