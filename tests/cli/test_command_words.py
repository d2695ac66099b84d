"""Words that are read without Typer mean what they mean to Typer, in every command."""

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from herocloud.cli import command, command_table, command_values, command_words, flags, runner, typer_tree

_WORDS = (
    "--", "-", "x", "5", "0", "-5", "007", "plan.json", "vm.web[0]", "dot", "bash", "tiny", "--help", "-h", "-qv", "-fx.yaml", "--out=",
    "--nonsense", "--refres", "", "é", "1_000", "99999999999", "stop", "--refresh", "--no-refresh",
)  # fmt: skip
_ENVIRONMENT = {
    "HEROCLOUD_DATA_DIR": ("", "/data"), "HEROCLOUD_FILE": ("a.yaml", "a.yaml b.yaml"), "HEROCLOUD_JSON": ("1", "no", ""),
    "HEROCLOUD_PARALLELISM": ("3", "x"), "HEROCLOUD_LOCK_TIMEOUT": ("5s",), "HEROCLOUD_STACK": ("shop",), "HEROCLOUD_REFRESH": ("false",),
}  # fmt: skip


def _line(dice: random.Random, words: tuple[str, ...], function: Any) -> list[str]:
    """Make up a command line that has a chance of being sound."""
    line = list(words)
    parameters = command.parameters(function)
    for _ in range(dice.choice([0, 1, 2, 4])):
        one = dice.choice(parameters)
        if isinstance(one.mark, flags.Argument) or dice.random() < 0.15:
            line.append(dice.choice(_WORDS))
            continue
        name = dice.choice([name for names in one.mark.names for name in names.split("/")])
        if one.kind is bool or one.mark.more.get("count"):
            line.append(name)
        elif dice.random() < 0.3:
            line.append(f"{name}={dice.choice(_WORDS)}")
        else:
            line += [name, dice.choice(_WORDS)]
    return line


def _typers(line: list[str], environment: Mapping[str, str], setting: Any, monkeypatch: pytest.MonkeyPatch) -> Mapping[str, Any] | None:
    """Return the values that Typer would call the command with; nothing when it would not."""
    called: list[Mapping[str, Any]] = []
    with monkeypatch.context() as patch:
        for name in _ENVIRONMENT:
            patch.delenv(name, raising=False)
        for name, value in environment.items():
            patch.setenv(name, value)
        patch.setattr(command, "call", lambda _function, values, _typed: called.append(values) or 0)
        try:
            typer_tree.grow(defaults=setting).main(args=line, prog_name="herocloud", standalone_mode=False)
        except Exception:  # noqa: BLE001  (whatever Typer says: these words call nothing)
            return None
    return called[0] if called else None


class _Settings:
    """What a host file sets."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def get(self, name: str, default: Any = None) -> Any:
        return self._values.get(name, default)


_LEAVES = command_table.leaves()
_SETTINGS = ({}, {}, {"parallelism": "4"}, {"auto_approve": "true"}, {"target": ["vm.web"]})


@settings(max_examples=1_500, deadline=None)
@given(seed=st.integers(0, 10**9))
def test_what_is_read_the_short_way_typer_reads_the_same(seed: int) -> None:
    dice = random.Random(seed)
    words, leaf = dice.choice(_LEAVES)
    function = command.function_of(leaf)
    line = command_words.take_apart(_line(dice, words, function))
    environment = {name: dice.choice(values) for name, values in _ENVIRONMENT.items() if dice.random() < 0.1}
    defaults = _Settings(dice.choice(_SETTINGS))
    try:
        values = command_values.read(line, environment, defaults.get)
    except command_values.Unclear:
        return
    assert line.function is function
    with pytest.MonkeyPatch.context() as monkeypatch:
        assert values == _typers(line.words, environment, defaults, monkeypatch), line


@pytest.mark.parametrize(
    "line",
    [
        ["plan"],
        ["plan", "--json", "--target", "vm.web", "--target=vm.db", "--no-refresh", "-f", "a.yaml", "-o", "x.plan"],
        ["apply", "--auto-approve", "--parallelism", "4", "--on-failure=rollback", "--md", "-"],
        ["state", "diff", "3", "4"],
        ["vm", "exec", "web[0]", "--", "ls", "-l"],
        ["image", "pull", "one", "two", "-v", "-v"],
    ],
    ids=" ".join,
)
def test_plain_words_need_no_typer(line: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    taken = command_words.take_apart(line)
    assert command_values.read(taken, {}, lambda _name: None) == _typers(taken.words, {}, _Settings({}), monkeypatch)


@pytest.mark.parametrize(
    "line",
    [
        [], ["plan", "--help"], ["plan", "-h"], ["nothing"], ["state"], ["state", "nothing"], ["plan", "extra"], ["plan", "--targte", "x"],
        ["plan", "--target"], ["plan", "--target", "--json"], ["apply", "--parallelism", "0"], ["apply", "--parallelism", "many"],
        ["apply", "--on-failure", "explode"], ["plan", "--json=maybe"], ["state", "diff", "3"], ["state", "show"], ["plan", "-qv"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_whatever_else_there_is_is_left_to_typer(line: list[str]) -> None:
    with pytest.raises(command_values.Unclear):
        command_values.read(command_words.take_apart(line), {}, lambda _name: None)


def test_a_flag_that_the_host_file_sets_is_left_to_typer() -> None:
    with pytest.raises(command_values.Unclear):
        command_values.read(command_words.take_apart(["plan"]), {}, {"parallelism": "3"}.get)
    assert "parallelism" in runner.NAMES


def test_the_data_folder_is_the_same_from_everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Path] = []

    def probe(call: command.Call) -> int:
        seen.append(call.folder)
        return 0

    monkeypatch.chdir(tmp_path)
    values = command_values.read(command_words.take_apart(["version", "--data-dir", "state"]), {}, lambda _name: None)
    assert command.call(probe, values) == 0
    assert seen == [tmp_path / "state"]
