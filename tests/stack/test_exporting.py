"""A stack file from records: it says what is there, and it loads again to the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from herocloud.kits.yaml import reader
from herocloud.model import overlay_seeds
from herocloud.model.ids import Address, StackName
from herocloud.model.worlds import Record
from herocloud.stack import export
from herocloud.stack.layout import dump

GIB = 1024**3


def _vm(address: str, needs: tuple[str, ...] = (), *, protect: bool = False, **more) -> Record:
    spec = {
        "hypervisor": "simulator", "image": "tiny", "slices": ["s1"], "vcpus": 1, "memory": 4 * GIB,
        "cpu": {"max": 4, "affinity": None, "topology": None},
        "memory_options": {"hugepages": False, "mergeable": False, "hotplug": 0, "boot": 4 * GIB},
        "root_disk": None, "volumes": [], "shares": [],
        "networks": [], "mycelium": None, "ssh_keys": [], "user_data": None, "env": {}, "labels": {}, "secrets": {}, "restart": "no",
        "state": "running", "sid": "v1", "image_id": {}, **more,
    }  # fmt: skip
    return Record(StackName("a"), Address(address), "vm", "simulator", spec, {}, True, protect, needs=tuple(map(Address, needs)))


def _image() -> Record:
    spec = {
        "source": None, "sha256": None, "unpinned": False, "decompress": "none", "format": None, "nocloud": False, "aliases": [],
        "kernel": "/boot/vmlinuz", "initramfs": None, "cmdline": None,
    }  # fmt: skip
    return Record(StackName("a"), Address("image.tiny"), "image", "auto", spec, {}, True)


def _tree(*records: Record, **options):
    return reader.read_tree(export.export_yaml([_image(), *records], "a", **options)).value


def test_instances_that_are_alike_come_under_one_count() -> None:
    assert _tree(*(_vm(f"vm.web[{number}]") for number in (0, 1, 2)))["vms"]["web"]["count"] == 3


def test_a_number_that_grows_with_the_instance_becomes_an_index() -> None:
    web = _tree(*(_vm(f"vm.web[{number}]", env={"N": f"web-{number}", "A": f"10.0.0.{number + 7}"}) for number in (0, 1, 2)))["vms"]["web"]
    assert web["env"] == {"N": "web-{{ index }}", "A": "10.0.0.{{ index + 7 }}"}


def test_instances_come_under_one_count_only_where_that_keeps_their_overlay_addresses() -> None:
    def instances(*seeds: str) -> list[Record]:
        return [_vm(f"vm.web[{n}]", hostname=f"web-{n}", mycelium={"seed": seed}) for n, seed in enumerate(seeds)]

    derived = [overlay_seeds.derived("a", f"vm.web[{number}]") for number in (0, 1)]
    assert _tree(*instances(*derived))["vms"]["web"]["mycelium"] is True
    given_seeds = _tree(*instances("0a0000000001", "0a0000000007"))["vms"]
    assert {name: vm["mycelium"]["seed"] for name, vm in given_seeds.items()} == {"web-0": "0a0000000001", "web-1": "0a0000000007"}


@pytest.mark.parametrize(
    ("memory", "room", "written"),
    [(GIB, 3 * GIB, "3 GiB"), (GIB, 0, "0 B"), (4 * GIB, 0, None), (4 * GIB, GIB, "1 GiB")],
)
def test_no_room_to_grow_is_written_where_there_would_be_some_by_default(memory: int, room: int, written: str | None) -> None:
    options = {"hugepages": False, "mergeable": False, "hotplug": room, "boot": memory}
    tree = _tree(_vm("vm.web", memory=memory, memory_options=options))
    assert tree["vms"]["web"].get("memory_options", {}).get("hotplug") == written


@pytest.mark.parametrize(
    "records",
    [
        [_vm("vm.web[0]"), _vm("vm.web[2]")],
        [_vm("vm.web[0]"), _vm("vm.web[1]", vcpus=2)],
        [_vm("vm.web[0]"), _vm("vm.web[1]", needs=("vm.db",)), _vm("vm.db")],
    ],
    ids=["a gap", "another size", "another dependency"],
)
def test_instances_that_cannot_be_one_block_become_vms_of_their_own_with_renames(records) -> None:
    tree = _tree(*records)
    numbers = [one.address[7:-1] for one in records if "[" in one.address]
    assert tree["moved"] == [{"from": f"vm.web[{number}]", "to": f"vm.web-{number}"} for number in numbers]
    assert {f"web-{number}" for number in numbers} <= set(tree["vms"])


def test_a_new_name_does_not_meet_one_that_is_there() -> None:
    tree = _tree(_vm("vm.web[0]"), _vm("vm.web[2]"), _vm("vm.web-2"))
    assert len(tree["vms"]) == 3


def test_a_dependency_on_all_instances_is_written_as_one() -> None:
    tree = _tree(
        _vm("vm.db[0]"), _vm("vm.db[1]"), _vm("vm.web", needs=("image.tiny", "vm.db[0]", "vm.db[1]")), _vm("vm.x", needs=("vm.db[1]",))
    )
    assert tree["vms"]["web"]["depends_on"] == ["vm.db"]
    assert tree["vms"]["x"]["depends_on"] == ["vm.db[1]"]


def test_braces_of_user_data_are_read_as_braces(sound, folder) -> None:
    text = export.export_yaml([_image(), _vm("vm.web", user_data="## template: jinja\n{{ ds.x }}\n")], "a")
    desired = sound(text.replace("/boot/vmlinuz", "./vmlinuz"))
    assert desired.resources[1].spec["user_data"] == "## template: jinja\n{{ ds.x }}\n"


def test_protection_and_outputs_are_kept() -> None:
    tree = _tree(_vm("vm.web", protect=True), outputs={"front": "10.0.0.2", "braces": "{{ x }}"})
    assert tree["vms"]["web"]["protect"] is True
    assert tree["outputs"] == {"front": "10.0.0.2", "braces": "{{ '{{' }} x }}"}


def test_what_nobody_asked_for_is_left_out() -> None:
    vm = _tree(_vm("vm.web"))["vms"]["web"]
    assert vm == {"image": "tiny", "hypervisor": "simulator", "slices": 1, "vcpus": 1, "memory": "4 GiB", "cpu": {"max": 4}}


def _recorded(resource) -> Record:
    """Record a resource with its number of slices decided, as a plan does."""
    spec = dict(resource.spec)
    if resource.kind == "vm":
        spec["slices"] = spec.pop("slice") or spec["slices"] or max(1, -(-(spec["memory"] or 0) // (4 * GIB)))
    return Record(
        StackName("a"), resource.address, resource.kind, resource.provider, spec, {}, True, resource.protect, needs=resource.depends_on
    )


def test_an_export_loads_to_the_specs_that_were_exported(sound, mistakes) -> None:
    """The planner's round trip is tested with the whole; here, loading what was exported must give what was loaded."""
    desired = sound(mistakes.SOUND, environment=mistakes.ENVIRONMENT)
    records = {one.address: _recorded(one) for one in desired.resources}
    again = sound({"export.yaml": export.export_yaml(records.values(), "a")}, environment=mistakes.ENVIRONMENT)
    assert {one.address for one in again.resources} == set(records)
    for one in again.resources:
        before, after = records[one.address], _recorded(one)
        slices = before.spec.get("slices")
        assert {**after.spec, "slices": slices} == {**before.spec, "slices": slices}
        assert (after.protect, set(after.needs)) == (before.protect, set(before.needs))


_texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
_keys = _texts.filter(lambda key: key != "<<")
_values = st.recursive(
    _texts | st.integers() | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_keys, inner, max_size=3),
    max_leaves=15,
)


@given(st.dictionaries(st.sampled_from(["stack", "vms", "outputs"]), _values, min_size=1))
def test_whatever_is_written_is_read_back(tree) -> None:
    assert reader.read_tree(dump.write(tree)).value == tree


@given(st.lists(st.tuples(_texts, st.integers(0, 99)), min_size=1, max_size=3), st.integers(1, 5))
def test_gathered_texts_give_every_instance_its_own_back(parts, many) -> None:
    from herocloud.stack import substitution

    def text(number: int) -> str:
        return "".join(f"{words}{start + number}" for words, start in parts[:1])

    group = [(_vm(f"vm.web[{number}]"), {"env": {"A": export.protect_braces(text(number))}}) for number in range(many)]
    vms, _moved = export.gather(group)
    if "web" in vms:
        again = [str(substitution.put_index(vms["web"]["env"]["A"], number)) for number in range(many)]
        assert again == [export.protect_braces(text(number)) for number in range(many)]
