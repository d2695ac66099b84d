"""Packages come from apt, whole or not at all, and the older ones of their name go."""

import os
import shutil

import pytest

from herocloud.model.errors import Permanent, Temporary
from herocloud.providers.images.builds import packages
from herocloud.providers.images.builds.packages import Package

APT = """\
#!/bin/sh
case "$*" in
*--print-uris*) echo "'mirror:/tool_2_all.deb' tool_2_all.deb 5 SHA256:0" ;;
*broken*) echo "E: Failed to fetch" >&2; exit 100 ;;
*empty*) ;;
*) [ -e tool_2_all.deb ] || printf whole >tool_2_all.deb ;;
esac
"""
TOOL = Package("tool", "tool_2_all.deb")


@pytest.fixture(autouse=True)
def apt(tmp_path, monkeypatch) -> None:
    """Put a program of ours in the place of apt, which takes up what it finds begun as the real one does."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "apt-get").write_text(APT)
    (folder / "apt-get").chmod(0o755)
    monkeypatch.setattr(packages, "_ENVIRONMENT", {"PATH": f"{folder}:{os.environ['PATH']}"})
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


def test_apt_says_what_the_file_is_called() -> None:
    assert packages.locate("tool") == [TOOL]
    with pytest.raises(Permanent, match="apt knows no package `other`; `apt-get update`, as root, may help"):
        packages.locate("tool", "other")


def test_a_package_is_fetched_once_and_older_ones_go(tmp_path) -> None:
    folder = tmp_path / "packages"
    folder.mkdir()
    (folder / "tool_1_all.deb").touch()
    (folder / "toolbox_1_all.deb").touch()
    path = packages.fetch(TOOL, folder)
    assert path.read_text() == "whole"
    assert sorted(one.name for one in folder.iterdir()) == ["tool_2_all.deb", "toolbox_1_all.deb"]
    path.write_text("known")
    assert packages.fetch(TOOL, folder).read_text() == "known"


def test_half_a_package_of_a_killed_download_is_not_gone_on_with(tmp_path) -> None:
    left = tmp_path / ".tool.new"
    left.mkdir()
    (left / TOOL.file).write_text("ha")
    assert packages.fetch(TOOL, tmp_path).read_text() == "whole"
    assert not left.exists()


@pytest.mark.parametrize(("name", "error", "says"), [("broken", Temporary, "Failed to fetch"), ("empty", Permanent, "is not there")])
def test_a_package_that_does_not_come_leaves_nothing(tmp_path, name, error, says) -> None:
    folder = tmp_path / "packages"
    with pytest.raises(error, match=says):
        packages.fetch(Package(name, f"{name}_1_all.deb"), folder)
    assert list(folder.iterdir()) == []


@pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="needs dpkg-deb (package dpkg)")
def test_a_file_that_is_no_package_is_refused(tmp_path) -> None:
    (tmp_path / "no.deb").write_text("no package")
    with pytest.raises(Permanent, match=r"no\.deb"):
        packages.unpack(tmp_path / "no.deb", tmp_path / "out")
