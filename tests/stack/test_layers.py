"""Defaults, sizes and images lend values to VMs; the nearer word wins."""

from hypothesis import given
from hypothesis import strategies as st

from herocloud.stack import layers

GIB = 1024**3
_HEAD = "stack: a\nimages: {tiny: {kernel: ./vmlinuz}, big: {kernel: ./vmlinuz, defaults: {memory: 3 GiB, vcpus: 3}}}\n"


def _web(sound, text: str):
    return next(one.spec for one in sound(_HEAD + text).resources if one.name == "web")


def test_a_size_is_stronger_than_the_defaults_and_weaker_than_the_vm(sound) -> None:
    text = "defaults: {image: tiny, memory: 1 GiB, vcpus: 1, restart: always}\nsizes: {small: {memory: 2 GiB, vcpus: 2}}\n"
    web = _web(sound, text + "vms: {web: {size: small, vcpus: 4}}")
    assert (web["memory"], web["vcpus"], web["restart"]) == (2 * GIB, 4, "always")


def test_a_size_that_the_defaults_name_is_weaker_than_what_they_say_beside_it(sound) -> None:
    text = "defaults: {image: tiny, size: small, memory: 1 GiB}\nsizes: {small: {memory: 2 GiB, vcpus: 2}}\n"
    web = _web(sound, text + "vms: {web: {}}")
    assert (web["memory"], web["vcpus"]) == (1 * GIB, 2)


def test_an_image_brings_values_that_a_size_overrules(sound) -> None:
    web = _web(sound, "sizes: {small: {memory: 2 GiB}}\nvms: {web: {image: big, size: small}}")
    assert (web["memory"], web["vcpus"]) == (2 * GIB, 3)


def test_mappings_are_merged_key_by_key_and_lists_are_not(sound) -> None:
    text = "networks: {lan: {cidr: 10.0.0.0/24}, dmz: {cidr: 10.1.0.0/24}}\n"
    text += "defaults: {image: tiny, networks: [lan], labels: {a: x, b: x}, root_disk: {direct: true, rate: {iops: 5}}}\n"
    web = _web(sound, text + "vms: {web: {networks: [dmz], labels: {b: y}, root_disk: {rate: {burst: 1 MB/s}}}}")
    assert [one["network"] for one in web["networks"]] == ["dmz"]
    assert web["labels"] == {"a": "x", "b": "y"}
    assert web["root_disk"] == {"size": None, "direct": True, "rate": {"bandwidth": None, "burst": 1_000_000, "iops": 5}}


def test_user_data_and_secrets_are_taken_over_as_a_whole(sound) -> None:
    text = "defaults: {image: tiny, user_data: {file: ./init.yaml}, secrets: {p: {file: ./init.yaml}}}\n"
    web = _web(sound, text + "vms: {web: {user_data: {text: hello}, secrets: {p: {file: ./vmlinuz}}}}")
    assert web["user_data"] == "hello"
    assert web["secrets"]["p"]["file"].endswith("vmlinuz")


def test_pins_take_back_a_number_of_slices_from_the_defaults(sound) -> None:
    web = _web(sound, "defaults: {image: tiny, slices: 2}\nvms: {web: {slice: s4}}")
    assert (web["slices"], web["slice"]) == (None, ["s4"])


def test_the_overlay_can_be_switched_off_against_the_defaults(sound) -> None:
    assert _web(sound, "defaults: {image: tiny, mycelium: true}\nvms: {web: {mycelium: false}}")["mycelium"] is None


def test_an_empty_vm_lives_from_the_defaults(sound) -> None:
    assert _web(sound, "defaults: {image: tiny}\nvms:\n  web:\n")["image"] == "tiny"


def test_protection_comes_from_the_defaults_too(sound) -> None:
    desired = sound(_HEAD + "defaults: {image: tiny, protect: true}\nvms: {web: {}, cache: {protect: false}}")
    assert {one.name: one.protect for one in desired.resources if one.kind == "vm"} == {"web": True, "cache": False}


def test_a_mistake_in_the_defaults_is_told_once_however_many_vms_have_it(codes) -> None:
    text = _HEAD + "defaults:\n  image: tny\n  memory: 9 GiB\n  slices: 1\nvms: {a: {}, b: {}, c: {image: tiny}}\n"
    assert codes(text) == [(4, "unknown-image"), (5, "memory-over-slices")]


_plain = st.integers() | st.lists(st.integers(), max_size=2)
_inner = st.dictionaries(st.sampled_from("abc"), _plain, max_size=3)
_fields = st.fixed_dictionaries({}, optional={"memory": _plain, "networks": _plain, "cpu": _inner, "labels": _inner})


@given(_fields, _fields, _fields)
def test_merging_is_associative_and_the_upper_layer_always_wins(one, two, three) -> None:
    merge = layers.merge
    assert merge(one, merge(two, three)) == merge(merge(one, two), three)
    assert merge(one, one) == one
    for key, value in two.items():
        if not isinstance(value, dict):
            assert merge(one, two)[key] == value
