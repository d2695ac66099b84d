"""Pruning spares what records name, whichever stack they are of and whether or not a mark on the disk says the same."""

from pathlib import Path
from typing import Any

import pytest

from herocloud.model.errors import Locked
from herocloud.model.worlds import Record, Recorded
from herocloud.operations import images
from herocloud.providers.images import intake
from herocloud.providers.images.content_store import Store
from herocloud.providers.images.intake import Order
from herocloud.state import locking

IMAGE: dict[str, Any] = {"source": None, "sha256": None, "unpinned": False, "decompress": "none", "format": "raw"}


@pytest.fixture
def stored(data_folder: Path, tmp_path: Path) -> Path:
    """Return a file whose content is in the store, and nothing points at it."""
    (data_folder / "host.yaml").unlink()
    source = tmp_path / "a.raw"
    source.write_bytes(bytes(512))
    intake.pull(data_folder, None, Order({**IMAGE, "source": str(source)}, "a"))
    return source


@pytest.fixture
def how() -> Any:
    """Return how to run something without steps, waiting for nobody."""
    from herocloud.apply.steering import Options
    from herocloud.operations.callers import How

    return How(Options(), lambda _plan, _before, _begun: pytest.fail("nothing is applied"), 0.0)


def _recorded(**parts: Any) -> Recorded:
    record = Record("shop", "vm.web", "vm", "qemu", {}, parts, complete=True)
    return Recorded("l1", 1, {"shop": {"vm.web": record}})


def test_records_name_images_by_checksum_and_source() -> None:
    spec = {"source": "https://example.org/a.raw", "sha256": "abc"}
    record = Record("shop", "image.a", "image", "images", spec, {}, complete=False)
    assert images.named_by(Recorded("l1", 1, {"shop": {"image.a": record}})) == {"https://example.org/a.raw", "abc"}
    assert images.named_by(_recorded(disk={"source": "def", "size": 1}, power="running", seed=None)) == {"def"}
    assert images.named_by(Recorded()) == frozenset()


def test_what_a_record_names_stays(data_folder: Path, stored: Path, how: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images.lookups, "read_recorded", lambda _folder: _recorded(disk={"source": str(stored), "size": 512}))
    assert images.find_unused(data_folder).contents == ()
    assert images.prune(data_folder, how).contents == ()
    assert len(list(Store(data_folder).entries())) == 1


def test_nothing_is_pruned_while_somebody_applies(data_folder: Path, stored: Path, how: Any) -> None:
    assert len(images.find_unused(data_folder).contents) == 1
    with locking.hold(data_folder, "apply", None, 0.0), pytest.raises(Locked):
        images.prune(data_folder, how)
    assert len(images.prune(data_folder, how).contents) == 1
    assert list(Store(data_folder).entries()) == []
