"""The flag, then the variable, then the place that this user's programs keep their state in."""

from pathlib import Path

import pytest

from herocloud.operations import inputs

CASES = {
    "the flag stands above all": ("x", {"HEROCLOUD_DATA_DIR": "y"}, True, "x"),
    "the variable stands above the defaults": (None, {"HEROCLOUD_DATA_DIR": "/y"}, True, "/y"),
    "root's place": (None, {"XDG_STATE_HOME": "/state"}, True, "/var/lib/herocloud"),
    "the XDG place": (None, {"XDG_STATE_HOME": "/state", "HOME": "/home/me"}, False, "/state/herocloud"),
    "a relative XDG place is ignored": (None, {"XDG_STATE_HOME": "state", "HOME": "/home/me"}, False, "/home/me/.local/state/herocloud"),
    "the home": (None, {"HOME": "/home/me"}, False, "/home/me/.local/state/herocloud"),
    "an empty variable": (None, {"HEROCLOUD_DATA_DIR": "", "HOME": "/home/me"}, False, "/home/me/.local/state/herocloud"),
}  # fmt: skip


@pytest.mark.parametrize(("flag", "environment", "root", "wanted"), CASES.values(), ids=CASES)
def test_the_data_folder_is_chosen(flag: str | None, environment: dict[str, str], root: bool, wanted: str) -> None:  # noqa: FBT001
    assert inputs.choose_folder(flag, environment, root=root) == Path(wanted)


def test_a_tilde_is_the_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert inputs.choose_folder("~/state", {}, root=False) == Path("/home/me/state")
