"""What a program needs to see is found out once, and again when one of its files is another one."""

from pathlib import Path

import pytest

from herocloud.providers.vmm import program_files


def _script(path: Path, content: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(content)
    path.chmod(0o755)
    return path


def test_a_program_is_read_once_for_all_vms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = _script(tmp_path / "one/program", "#!/bin/sh\n")
    read: list[Path] = []
    named_by = program_files._named_by
    monkeypatch.setattr(program_files, "_named_by", lambda path: read.append(path) or named_by(path))
    found = program_files.needed_by(str(program))
    assert found == [program.parent]
    found.clear()
    assert program_files.needed_by(str(program)) == [program.parent]
    assert read.count(program) == 1


def test_a_wrapper_that_names_another_program_by_now_is_read_again(tmp_path: Path) -> None:
    first, second = (_script(tmp_path / name / "program", "#!/bin/sh\n") for name in ("first", "second"))
    wrapper = _script(tmp_path / "wrapper/program", f"#!/bin/sh\nexec {first}\n")
    assert program_files.needed_by(str(wrapper)) == [wrapper.parent, first.parent]
    draft = _script(tmp_path / "wrapper/draft", f"#!/bin/sh\nexec {second}\n")
    draft.replace(wrapper)
    assert program_files.needed_by(str(wrapper)) == [wrapper.parent, second.parent]


def test_a_link_that_a_wrapper_names_is_followed_where_it_leads_by_now(tmp_path: Path) -> None:
    first, second = (_script(tmp_path / name / "program", f"#!/bin/sh\n# {name}\n") for name in ("first", "second"))
    link = tmp_path / "links/program"
    link.parent.mkdir()
    link.symlink_to(first)
    wrapper = _script(tmp_path / "wrapper/program", f"#!/bin/sh\nexec {link}\n")
    assert first.parent in program_files.needed_by(str(wrapper))
    link.unlink()
    link.symlink_to(second)
    found = program_files.needed_by(str(wrapper))
    assert second.parent in found
    assert first.parent not in found
