"""The flags of all commands: the global ones everywhere, and an environment variable for automation."""

from collections.abc import Iterator
from typing import Any

import pytest

from herocloud.cli import command_table, flags, runner, typer_tree
from herocloud.host import hostfile_schema


def _options() -> Iterator[tuple[tuple[str, ...], Any]]:
    root = typer_tree.grow()
    context = root.make_context("herocloud", [], resilient_parsing=True)
    for words, _ in command_table.leaves():
        command: Any = root
        for word in words:
            command = command.get_command(context, word)
        yield from ((words, parameter) for parameter in command.params if parameter.param_type_name == "option")


def test_every_command_has_the_global_flags() -> None:
    wanted = set(flags.Everywhere._fields)
    lacking = {}
    for words, _ in command_table.leaves():
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
