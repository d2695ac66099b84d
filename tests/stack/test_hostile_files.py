"""Files made to hurt: each ends soon, in a diagnostic."""

from pathlib import Path

import effort
import pytest

from herocloud.kits.yaml import reader
from herocloud.stack import load as stacks


def _bomb(levels: int, width: int) -> str:
    lines = ["stack: bomb", "a0: &a0 [x]"]
    lines += [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * width)}]" for level in range(1, levels + 1)]
    return "\n".join(lines)


def _merge_bomb() -> str:
    lines = ["stack: bomb", "m0: &m0 {" + ", ".join(f"k{number}: 1" for number in range(500)) + "}"]
    lines += [f"m{level}: &m{level} {{<<: *m{level - 1}}}" for level in range(1, 900)]
    return "\n".join(lines)


_HOSTILE = {
    "a bomb of aliases": _bomb(12, 9),
    "a bomb of merges": _merge_bomb(),
    "too many aliases": "stack: a\nx: &x 1\ny: [" + ", ".join(["*x"] * 1001) + "]",
    "too many values": "stack: a\nx: [" + "1," * 200_001 + "]",
    "brackets without end": "stack: a\nx: " + "[" * 200_000,
    "braces without end": "{a: " * 200_000,
    "dashes without end": "- " * 100_000,
    "65 levels": "a: " + "[" * 65 + "]" * 65,
    "more than 16 MiB": "stack: a\n# " + "x" * (16 * 1024**2),
}


@pytest.mark.parametrize("name", _HOSTILE)
def test_a_hostile_file_ends_in_a_diagnostic(name, load) -> None:
    loaded, calls = effort.calls_of(lambda: load(_HOSTILE[name]))
    assert [found.code for found in loaded.diagnostics] == ["yaml-limit"]
    assert calls < 6_000_000


def test_the_limits_themselves_are_allowed() -> None:
    assert reader.read_tree("a: " + "[" * 63 + "]" * 63).value
    assert len(reader.read_tree("x: &x 1\ny: [" + ", ".join(["*x"] * 1000) + "]").value["y"]) == 1000
    assert len(reader.read_tree("x: [" + "1," * 199_998 + "]").value["x"]) == 199_998


def test_a_device_without_end_is_not_read_to_its_end(making) -> None:
    (found,) = stacks.load(["/dev/zero"], host=making.host()).diagnostics
    assert found.code == "yaml-limit"


def test_a_pipe_as_user_data_does_not_hang(load, folder: Path) -> None:
    import os

    os.mkfifo(folder / "pipe")
    text = "stack: a\nimages: {x: {kernel: ./vmlinuz}}\nvms: {web: {image: x, user_data: {file: ./pipe}}}\n"
    assert [found.code for found in load(text).diagnostics] == ["path-unreadable"]


def test_the_sum_of_counts_is_bounded(load) -> None:
    vms = "\n".join(f"  v{number}: {{image: x, count: 100000, labels: {{n: '{{{{ index }}}}'}}}}" for number in range(500))
    loaded = load(f"stack: a\nimages: {{x: {{kernel: ./vmlinuz}}}}\nvms:\n{vms}\n")
    assert [found.code for found in loaded.diagnostics] == ["too-many"]


def test_a_chain_of_ten_thousand_dependencies_is_followed(load) -> None:
    vms = "\n".join(f"  v{number}: {{image: x, depends_on: [vm.v{number + 1}]}}" for number in range(9_999))
    text = f"stack: a\nimages: {{x: {{kernel: ./vmlinuz}}}}\nvms:\n{vms}\n  v9999: {{image: x}}\n"
    assert load(text).diagnostics == ()
    assert [found.code for found in load(text.replace("v9999: {image: x}", "v9999: {image: x, depends_on: [vm.v0]}")).diagnostics] == [
        "cycle"
    ]


def test_ten_thousand_vms_on_ten_thousand_others_share_their_needs(sound) -> None:
    vms = "vms:\n  db: {image: x, count: 5000}\n  web: {image: x, count: 5000, depends_on: [vm.db]}\n"
    resources = sound("stack: a\nimages: {x: {kernel: ./vmlinuz}}\n" + vms).resources
    assert len(resources[-1].depends_on) == 5001
    assert len({id(one.depends_on) for one in resources if one.name == "web"}) == 1


_HEAD = "stack: a\nimages: {x: {kernel: ./vmlinuz}}\n"
_LONG_WINDED = {
    "braces that never close": f"{_HEAD}outputs: {{a: '{'{{' * 1_000_000}'}}\n",
    "expressions without end": f"{_HEAD}outputs: {{a: '{'{{ q }}' * 50_000}'}}\n",
    "a size of blanks": f"{_HEAD}volumes: {{a: {{size: '1{' ' * 1_000_000}x'}}}}\n",
    "a name of a million letters": f"{_HEAD}vms: {{a: {{image: {'y' * 1_000_000}}}}}\n",
    "thousands of unknown names beside thousands of known ones": "stack: a\nimages:\n"
    + "".join(f"  i{number}: {{kernel: ./vmlinuz}}\n" for number in range(2000))
    + "vms:\n"
    + "".join(f"  v{number}: {{image: j{number}}}\n" for number in range(2000)),
    "a list of wrong items": f"{_HEAD}vms: {{a: {{image: x, ssh_keys: [{'1,' * 60_000}]}}}}\n",
    "a list of unknown items": _HEAD + "vms: {a: {image: x, ssh_keys: [" + "'{{ k }}'," * 50_000 + "]}}\n",
    "thousands of unknown keys": f"{_HEAD}vms: {{a: {{image: x, {', '.join(f'imag{number}: 1' for number in range(20_000))}}}}}\n",
    "thousands of keys that are there twice": f"{_HEAD}outputs: {{{', '.join('a: {x: 1}' for _number in range(20_000))}}}\n",
    "thousands of circles": f"{_HEAD}vms:\n"
    + "".join(f"  v{number}: {{image: x, depends_on: [vm.v{number ^ 1}]}}\n" for number in range(10_000)),
    "thousands of renames in circles": f"{_HEAD}moved:\n"
    + "".join(f"  - {{from: vm.v{number}, to: vm.v{number ^ 1}}}\n" for number in range(20_000)),
    "instances that are all wrong": f"{_HEAD}vms: {{a: {{image: x, count: 100000, slice: 'S{{{{ index }}}}'}}}}\n",
}


@pytest.mark.parametrize("name", _LONG_WINDED)
def test_what_is_long_winded_is_refused_without_effort(name, load) -> None:
    loaded, calls = effort.calls_of(lambda: load(_LONG_WINDED[name]))
    assert loaded.desired is None
    assert calls < 30_000_000
    assert sum(len(found.detail) + len(found.snippet or "") for found in loaded.diagnostics[:100]) < 3_000_000
