"""Images are fetched, listed, checked and pruned from the command line, on a host that is not simulated."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from herocloud.providers.images.content_store import Store

CONTENT = os.urandom(300_000) + bytes(1024**2 - 300_000)


@pytest.fixture
def real(data_folder: Path, herocloud: Any) -> Path:
    """Return a data folder on this machine, with a stack that has two images beside it."""
    (data_folder / "host.yaml").write_text("name: node1\n", encoding="utf-8")
    (herocloud.folder / "a.raw").write_bytes(CONTENT)
    (herocloud.folder / "kernel").write_bytes(b"kernel")
    herocloud.write(f"""\
stack: shop
images:
  disk: {{source: ./a.raw, sha256: {hashlib.sha256(CONTENT).hexdigest()}, format: raw, aliases: [other]}}
  tiny: {{kernel: ./kernel}}
""")
    return data_folder


def _listed(herocloud: Any) -> dict[str, bool]:
    return {one["name"]: one["present"] for one in json.loads(herocloud.done("image", "list", "--json").out)["images"]}


def _damage(folder: Path) -> None:
    (path,) = (folder / "images" / "store").glob("*.raw")
    with path.open("r+b") as stream:
        stream.seek(1000)
        stream.write(b"another")


def test_a_pulled_image_is_here_before_any_apply(herocloud: Any, real: Path) -> None:
    assert _listed(herocloud) == {"disk": False, "tiny": True}
    (pulled,) = json.loads(herocloud.done("image", "pull", "other", "--json").out)["images"]
    assert (pulled["name"], pulled["new"], pulled["size"]) == ("disk", True, len(CONTENT))
    assert _listed(herocloud) == {"disk": True, "tiny": True}
    again = json.loads(herocloud.done("image", "pull", "--json").out)["images"]
    assert [(one["name"], one["new"]) for one in again] == [("disk", False), ("tiny", False)]


def test_a_name_that_the_stack_has_not_is_refused_with_the_nearest(herocloud: Any, real: Path) -> None:
    ran = herocloud("image", "pull", "disc", "nonsense")
    assert ran.code == 1
    assert "The stack has no image `disc`." in ran.err
    assert "did you mean `disk`?" in ran.err
    assert "The stack has no image `nonsense`." in ran.err
    assert not (real / "images").exists()


def test_a_kernel_that_is_gone_is_named(herocloud: Any, real: Path) -> None:
    (herocloud.folder / "kernel").unlink()
    ran = herocloud("image", "pull", "tiny")
    assert ran.code == 1
    assert f"There is no `{herocloud.folder / 'kernel'}`." in ran.err


def test_the_wrong_content_is_refused_and_nothing_is_kept(herocloud: Any, real: Path) -> None:
    (herocloud.folder / "a.raw").write_bytes(b"something else")
    ran = herocloud("image", "pull")
    assert ran.code == 1
    assert "the checksum is wrong, so nothing was kept" in ran.err
    assert list(Store(real).entries()) == []


def test_what_is_stored_is_listed_with_who_uses_it(herocloud: Any, real: Path) -> None:
    assert "Nothing is stored." in herocloud.done("image", "list", "--stored").out
    herocloud.done("image", "pull", "-q")
    (one,) = json.loads(herocloud.done("image", "list", "--stored", "--json").out)["contents"]
    assert (one["size"], one["users"], one["source"]) == (len(CONTENT), [], str(herocloud.folder / "a.raw"))
    assert one["bytes"] < len(CONTENT)


def test_a_damaged_image_is_found_and_removed_when_asked(herocloud: Any, real: Path) -> None:
    herocloud.done("image", "pull", "-q")
    assert "Every image is what was stored." in herocloud.done("image", "verify").out
    _damage(real)
    ran = herocloud("image", "verify")
    assert ran.code == 1
    assert "1 of 1 damaged." in ran.out
    assert "--remove" in ran.err
    assert "1 of 1 damaged and removed." in herocloud.done("image", "verify", "--remove").out
    assert list(Store(real).entries()) == []
    assert "disk    yes" in herocloud.done("image", "pull").out


def test_pruning_lists_asks_and_removes(herocloud: Any, real: Path) -> None:
    herocloud.done("image", "pull", "-q")
    assert "Would remove 1 image" in herocloud.done("image", "prune", "--dry-run").out
    ran = herocloud("image", "prune")
    assert ran.code == 12
    assert "`--approve destroy` or `-y` approves it" in ran.err
    assert len(list(Store(real).entries())) == 1
    said = json.loads(herocloud.done("image", "prune", "--json", "--approve", "destroy").out)
    assert (said["removed"], [one["source"] for one in said["contents"]]) == (True, [str(herocloud.folder / "a.raw")])
    assert list(Store(real).entries()) == []
    assert "Nothing is stored that nobody uses." in herocloud.done("image", "prune").out


def test_a_simulated_host_has_nothing_to_pull(herocloud: Any, data_folder: Path) -> None:
    herocloud.write("stack: shop\nimages:\n  a: {source: 'https://example.org/a.raw', unpinned: true}\n")
    ran = herocloud("image", "pull")
    assert ran.code == 1
    assert "A simulated host has no images" in ran.err
    assert "take `simulated:` out of host.yaml" in ran.err


def test_a_wrong_checksum_of_a_path_names_the_path(herocloud: Any, real: Path) -> None:
    herocloud.write(f"stack: shop\nimages: {{disk: {{source: ./a.raw, sha256: {'0' * 64}, format: raw}}}}\n")
    ran = herocloud("image", "pull")
    assert ran.code != 0
    assert "a.raw`" in ran.err
    assert "://" not in ran.err
    assert "error: Failed" not in ran.err
