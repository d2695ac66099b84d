"""Where a flag's value comes from: the command line, then the environment, then the host file, then its default."""

from pathlib import Path
from typing import Any

import pytest

APPROVED = "settings: {auto-approve: true}\n"


@pytest.fixture
def host_file(herocloud: Any) -> Path:
    return herocloud.data_folder / "host.yaml"  # type: ignore[no-any-return]


def _add(path: Path, text: str) -> None:
    path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8")


def test_the_host_file_sets_a_flag(herocloud: Any, shop: Path, host_file: Path) -> None:
    _add(host_file, APPROVED)
    assert herocloud("apply").code == 0


def test_the_environment_stands_above_the_host_file(herocloud: Any, shop: Path, host_file: Path) -> None:
    _add(host_file, APPROVED)
    assert herocloud("apply", environment={"HEROCLOUD_AUTO_APPROVE": "false"}).code == 12


def test_the_command_line_stands_above_the_environment(herocloud: Any, shop: Path) -> None:
    elsewhere = herocloud.folder / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    (elsewhere / "host.yaml").write_text("name: node7\nsimulated: {memory: 64 GiB, disk: 1 TiB, cpus: 16}\n")
    ran = herocloud("plan", "--data-dir", "elsewhere", environment={"HEROCLOUD_DATA_DIR": "nowhere"})
    assert ran.code == 0
    assert "host node7" in ran.out
    assert herocloud("apply", "--parallelism", "2", "-y", environment={"HEROCLOUD_PARALLELISM": "many"}).code == 0


def test_the_environment_sets_a_flag(herocloud: Any, shop: Path) -> None:
    assert herocloud("plan", environment={"HEROCLOUD_DETAILED_EXITCODE": "1"}).code == 2
    assert herocloud("apply", environment={"HEROCLOUD_APPROVE": "create"}).code == 0


def test_the_environment_gives_several_values(herocloud: Any, shop: Path) -> None:
    ran = herocloud("plan", environment={"HEROCLOUD_TARGET": "volume.data network.lan"})
    assert "volume.data" in ran.out
    assert "network.lan" in ran.out
    assert "vm.db" not in ran.out


def test_the_host_file_gives_several_values(herocloud: Any, shop: Path, host_file: Path) -> None:
    _add(host_file, "settings: {target: [volume.data, network.lan]}\n")
    ran = herocloud("plan")
    assert "volume.data" in ran.out
    assert "vm.db" not in ran.out


def test_a_setting_that_is_no_flag_is_refused_with_its_place(herocloud: Any, shop: Path, host_file: Path) -> None:
    _add(host_file, "settings: {paralelism: 3}\n")
    ran = herocloud("plan")
    assert ran.code == 1
    assert "did you mean `parallelism`?" in ran.err
    assert "host.yaml:3:12" in ran.err


def test_settings_are_those_of_the_folder_that_the_command_line_names(herocloud: Any, shop: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "host.yaml").write_text(f"simulated: {{memory: 64 GiB, disk: 1 TiB, cpus: 8}}\n{APPROVED}", encoding="utf-8")
    assert herocloud("apply").code == 12
    assert herocloud("apply", "--data-dir", str(other)).code == 0
    assert herocloud("--data-dir", str(other), "plan").out == "No changes.\n"


def test_a_relative_data_folder_is_meant_from_where_chdir_leads(herocloud: Any, shop: Path, tmp_path: Path) -> None:
    there = tmp_path / "there"
    (there / "state").mkdir(parents=True)
    (there / "state" / "host.yaml").write_text(f"simulated: {{memory: 64 GiB, disk: 1 TiB, cpus: 8}}\n{APPROVED}", encoding="utf-8")
    (there / "stack.yaml").write_text("stack: small\nvolumes:\n  data: {size: 1 GiB}\n", encoding="utf-8")
    assert herocloud("--chdir", str(there), "--data-dir", "state", "apply").code == 0
    assert (there / "state" / "state.db").exists()
