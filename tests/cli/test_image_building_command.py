"""`image build` puts an image where it was told to, and prints what a stack file needs to use it."""

import json
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def packaged(tiny_image: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the command find the image in the cache of all tests, where it was built already."""
    monkeypatch.setenv("HEROCLOUD_CACHE_DIR", str(tiny_image.kernel.parents[2]))


@pytest.mark.guest
def test_the_lines_that_are_printed_make_a_stack_that_can_be_planned(herocloud: Any, data_folder: Path, packaged: None) -> None:
    ran = herocloud.done("image", "build", "tiny")
    assert f"kernel: {data_folder}/images/built/tiny/vmlinuz" in ran.out
    herocloud.write(f"stack: shop\n{ran.out}vms:\n  web: {{image: tiny}}\n")
    assert "+ vm.web" in herocloud.done("plan").out


@pytest.mark.guest
def test_a_folder_of_ones_own_is_named_from_here(herocloud: Any, data_folder: Path, packaged: None) -> None:
    said = json.loads(herocloud.done("image", "build", "tiny", "--out", "pictures", "--json").out)
    assert said["images"]["tiny"]["initramfs"] == "./pictures/initramfs"
    assert said["images"]["tiny"]["nocloud"] is True
    assert sorted(path.name for path in (herocloud.folder / "pictures").iterdir()) == ["initramfs", "vmlinuz"]
    assert not (data_folder / "images").exists()


def test_a_release_is_refused_for_the_image_that_has_none(herocloud: Any, data_folder: Path) -> None:
    ran = herocloud("image", "build", "tiny", "--release", "trixie")
    assert ran.code == 64
    assert "`image build debian` only" in ran.err


def test_without_debians_programs_the_way_out_is_said(herocloud: Any, data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from herocloud.providers.images.builds import packages

    monkeypatch.setattr(packages, "_ENVIRONMENT", {"PATH": str(data_folder)})
    monkeypatch.setenv("PATH", str(data_folder))
    ran = herocloud("image", "build", "tiny")
    assert ran.code == 1
    assert "building an image needs `dpkg`, which is part of Debian; build it there, and copy the result" in ran.err
