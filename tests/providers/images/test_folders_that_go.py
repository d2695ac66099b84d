"""The folder of a stack goes with its last object, while others of the same stack come and go at the same moment."""

import contextlib
from concurrent import futures

from herocloud.providers.images import image_folders, marks
from herocloud.providers.images.marks import Mark

MARK = Mark("shop", "image.debian", "ours", "image", None)


def test_a_mark_is_written_although_its_folder_has_just_gone(tmp_path) -> None:
    path = tmp_path / "shop" / "debian"
    image_folders.make_folder(path.parent)
    path.parent.rmdir()
    marks.write(path, MARK)
    assert marks.read(path) == MARK


def test_a_mark_is_removed_although_its_folder_goes_at_the_same_moment(tmp_path, monkeypatch) -> None:
    path = tmp_path / "shop" / "debian"
    image_folders.make_folder(path.parent)
    marks.write(path, MARK)
    sync = marks.durable_files.sync_folder

    def late(folder) -> None:
        folder.rmdir()
        sync(folder)

    monkeypatch.setattr(marks.durable_files, "sync_folder", late)
    marks.remove(path)
    assert marks.read(path) is None


def test_many_that_come_and_go_at_once_do_not_disturb_each_other(tmp_path) -> None:
    def live(number: int) -> bool:
        path = tmp_path / "shop" / f"image{number}"
        for _ in range(50):
            marks.write(path, MARK)
            found = marks.read(path)
            marks.remove(path)
            with contextlib.suppress(OSError):
                path.parent.rmdir()
            if found != MARK:
                return False
        return True

    with futures.ThreadPoolExecutor(4) as crew:
        assert all(crew.map(live, range(4)))
