"""docs/architecture.md names files, folders, functions and types that are there."""

import re
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def page() -> str:
    return (Path(__file__).resolve().parents[2] / "docs" / "architecture.md").read_text(encoding="utf-8")


def _paths(page: str) -> set[str]:
    """Return what looks like a file or a folder in the text and its tables."""
    names = re.findall(r"`([a-z_.-]+(?:/[a-z_.-]+)*/?)`", page)
    return {name for name in names if name.endswith((".py", ".md", ".toml", ".json", "/")) or "/" in name}


def test_every_file_and_folder_is_there(page: str, repository: Path) -> None:
    named = _paths(page)
    assert len(named) > 20
    package = repository / "herocloud"
    missing = [
        name
        for name in named
        if not any((root / name).exists() for root in (repository, package, package / "stack", package / "state"))
        and name not in {"herocloud/_shipped", "state.db"}
    ]
    assert not missing


def test_every_row_of_a_provider_names_one_with_its_role(page: str) -> None:
    """A provider that is new needs no row to work; what the table says has to be so."""
    from herocloud.providers import registry
    from herocloud.providers.seam import ROLES

    known = {declaration.name: declaration.roles for declaration in registry.declarations()}
    table = re.search(r"\| package \|[^\n]*\n\|[-|]+\n((?:\|[^\n]*\n)+)", page)
    assert table is not None
    rows = dict(re.findall(r"^\| `([a-z_-]+)` \| ([^|]+) \|", table[1], re.MULTILINE))
    assert len(rows) >= 7
    assert [name for name in rows if name not in known] == []
    told = {name: tuple(role for role in ROLES if role in words) for name, words in rows.items() if not words.startswith("all")}
    assert told == {name: known[name] for name in told}


def test_it_names_every_entrance_of_the_planner(page: str, repository: Path) -> None:
    modules = (repository / "herocloud" / "plan").glob("*.py")
    entrances = {path.stem for path in modules if "finish.finish(" in path.read_text(encoding="utf-8")}
    made = page.partition("Every plan is made in")[2].partition("Each of these ends")[0]
    assert entrances == set(re.findall(r"`([a-z_]+)`", made))


@pytest.mark.parametrize("name", ["Temporary", "Permanent", "Conflict"])
def test_errors_that_it_names_are_in_the_tree(name: str) -> None:
    from herocloud.model import errors

    assert issubclass(getattr(errors, name), errors.HerocloudError)


def test_what_it_says_of_the_database_is_so(tmp_path: Path) -> None:
    from herocloud.state import connections

    connection = connections.open_for_writing(tmp_path / "data")
    try:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        # 2 is FULL.
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
        tables = connection.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'").fetchall()
        assert [name for name, sql in tables if "STRICT" not in sql] == []
    finally:
        connection.close()
