"""Bad words on the command line: exit 64, what is wrong, and what was probably meant. Nothing is touched."""

from pathlib import Path
from typing import Any

import pytest

CASES = {
    "an unknown command": (("plam",), "There is no command `plam`. Did you mean `plan`?"),
    "an unknown command of a group": (("state", "lst"), "There is no command `state lst`. Did you mean `list`?"),
    "a group without a command": (("state",), "Usage: herocloud state"),
    "an unknown flag": (("plan", "--ot", "x"), "There is no flag `--ot`. Did you mean `--out`?"),
    "an unknown flag like no other": (("plan", "--wxyz"), "There is no flag `--wxyz`."),
    "a missing argument": (("state", "show"), "Missing argument 'ADDR'"),
    "an argument too many": (("state", "lock", "now"), "unexpected extra argument"),
    "a flag without its value": (("plan", "--out"), "Option '--out' requires an argument"),
    "a number that is none": (("apply", "--parallelism", "many"), "'many' is not a valid int"),
    "a number out of bounds": (("apply", "--parallelism", "0"), "0 is not in the range"),
    "a word that is not a choice": (("apply", "--on-failure", "panic"), "'panic' is not one of 'stop', 'continue', 'rollback'"),
    "a class that does not exist": (("apply", "--approve", "creat"), "did you mean `create`?"),
    "a time that is none": (("apply", "--lock-timeout", "soon"), "`soon` is not a duration"),
    "a switch with a value": (("plan", "--json=maybe"), "does not take a value"),
    "bytes that are not text": (("plan", "--target", "\udcff"), "holds what is not text"),
    "a flag that a saved plan cannot take": (("apply", "p.hcplan", "--target", "vm.web"), "a saved plan is run as it is; --target"),
}


@pytest.mark.parametrize(("words", "says"), CASES.values(), ids=CASES)
def test_a_usage_error_exits_64_and_says_what_is_wrong(herocloud: Any, shop: Path, words: tuple[str, ...], says: str) -> None:
    ran = herocloud(*words)
    assert ran.code == 64, ran.both
    assert says in ran.err
    assert ran.out == ""
    assert not (herocloud.data_folder / "state.db").exists()


def test_a_bad_value_of_the_environment_names_its_variable(herocloud: Any, shop: Path) -> None:
    ran = herocloud("apply", environment={"HEROCLOUD_PARALLELISM": "many"})
    assert ran.code == 64
    assert "from the environment variable HEROCLOUD_PARALLELISM" in ran.err


def test_a_bad_value_of_the_host_file_is_no_error_of_usage(herocloud: Any, shop: Path) -> None:
    with (herocloud.data_folder / "host.yaml").open("a", encoding="utf-8") as file:
        file.write("settings: {parallelism: many}\n")
    ran = herocloud("apply")
    assert ran.code == 1
    assert "from `settings` in host.yaml" in ran.err


def test_a_usage_error_tells_where_help_is(herocloud: Any) -> None:
    ran = herocloud("plan", "--wxyz")
    assert "`herocloud plan --help`" in ran.err
