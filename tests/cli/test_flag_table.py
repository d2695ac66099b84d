"""The sets of flags that `spelling` knows without the parser are those that the commands have."""

from collections.abc import Iterator
from typing import Any

import pytest

from herocloud.cli import catalogue, flags, invoking, runner, spelling
from herocloud.host import hostfile_schema


def _options() -> Iterator[tuple[tuple[str, ...], Any]]:
    root = invoking.grow()
    context = root.make_context("herocloud", [], resilient_parsing=True)
    for words, _ in catalogue.leaves():
        command: Any = root
        for word in words:
            command = command.get_command(context, word)
        yield from ((words, parameter) for parameter in command.params if parameter.param_type_name == "option")


def _long_names(*, takes_value: bool) -> set[str]:
    return {
        name[2:]
        for _, option in _options()
        for name in (*option.opts, *option.secondary_opts)
        if name.startswith("--") and (not option.is_flag and not option.count) is takes_value
    }


def test_flags_with_a_value_are_all_known() -> None:
    assert _long_names(takes_value=True) == spelling.VALUED


def test_flags_without_a_value_are_all_known() -> None:
    # Help and version belong to the parser and to the root.
    assert _long_names(takes_value=False) | {"help", "version"} == spelling.SWITCHES


def test_no_flag_takes_a_value_in_one_command_and_none_in_another() -> None:
    assert not _long_names(takes_value=True) & _long_names(takes_value=False)


def test_every_command_has_the_global_flags() -> None:
    wanted = set(flags.Everywhere._fields)
    lacking = {}
    for words, _ in catalogue.leaves():
        there = {option.name for path, option in _options() if path == words}
        if not wanted <= there:
            lacking[words] = wanted - there
    assert not lacking


def test_a_host_file_may_set_exactly_the_flags_of_automation() -> None:
    assert {name.replace("-", "_") for name in hostfile_schema.FLAGS} == runner.NAMES


@pytest.mark.parametrize("group", [flags.Planning, flags.Approving, flags.Executing, flags.Exports, flags.Everywhere])
def test_every_flag_of_automation_has_an_environment_variable(group: Any) -> None:
    wanted = {name: f"HEROCLOUD_{name.upper()}" for name in group._fields}
    found = {option.name: option.envvar for _, option in _options() if option.name in wanted}
    assert found == wanted
