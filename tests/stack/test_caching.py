"""A kept load is used while everything that it relied on is as it was, and never otherwise."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from herocloud.stack import assembling, loading

_TEXT = """\
stack: a
variables: {many: {type: integer, default: 2}}
images: {tiny: {kernel: ./vmlinuz}}
vms:
  web: {image: tiny, count: "{{ many }}", user_data: {file: ./init.yaml}, labels: {host: "{{ host.name }}"}}
  db: {image: tiny, slice: s2, secrets: {p: {env: SECRET}}, shares: [{path: ./shared, tag: x}]}
"""
_ENVIRONMENT = {"SECRET": "x"}


@pytest.fixture
def cached(folder, making, monkeypatch):
    """Load the stack with a cache; tells whether the work was done anew."""
    (folder / "stack.yaml").write_text(_TEXT)
    work = []
    real = assembling.assemble
    monkeypatch.setattr(assembling, "assemble", lambda *a, **k: (work.append(1), real(*a, **k))[1])

    def run(**options):
        given = {"host": making.host(), "environment": _ENVIRONMENT, "secret_key": b"k" * 32, "cache": folder / "cache", **options}
        work.clear()
        loaded = loading.load(["stack.yaml"], **given)
        return loaded, bool(work)

    return run


def test_an_unchanged_stack_comes_from_the_cache_and_is_the_same(cached) -> None:
    first, was_work = cached()
    second, again = cached()
    assert (was_work, again) == (True, False)
    assert second == first
    assert second.desired is not None


def test_instances_share_their_spec_in_the_cache_too(cached) -> None:
    cached()
    loaded, _work = cached()
    webs = [one.spec for one in loaded.desired.resources if one.name == "web"]
    assert webs[0] is webs[1]


def _touch(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text)


@pytest.mark.parametrize(
    "change",
    [
        lambda folder, _making: _touch(folder, "stack.yaml", _TEXT + "description: x\n"),
        lambda folder, _making: _touch(folder, "init.yaml", "#cloud-config\nother: 1\n"),
        lambda _folder, _making: {"variables": ["many=3"]},
        lambda _folder, _making: {"environment": {**_ENVIRONMENT, "HEROCLOUD_VAR_many": "4"}},
        lambda _folder, _making: {"environment": {"SECRET": "y"}},
        lambda _folder, _making: {"secret_key": b"j" * 32},
        lambda _folder, _making: {"secret_key": None},
        lambda _folder, making: {"host": making.host(name="node2")},
    ],
    ids=["file", "user data", "variable", "environment", "secret", "key", "no key", "host"],
)
def test_whatever_a_load_relies_on_makes_it_anew(cached, folder, making, change) -> None:
    before, _work = cached()
    options = change(folder, making) or {}
    after, was_work = cached(**options)
    assert was_work
    assert after.desired is not None
    assert after != before


@pytest.mark.parametrize(
    ("break_it", "code"),
    [
        (lambda folder: (folder / "vmlinuz").unlink(), "path-missing"),
        (lambda folder: (folder / "init.yaml").unlink(), "path-missing"),
        (lambda folder: (folder / "shared").rmdir(), "path-missing"),
    ],
    ids=["kernel", "user data", "share"],
)
def test_what_is_gone_is_missed_although_the_stack_is_kept(cached, folder, break_it, code) -> None:
    cached()
    break_it(folder)
    loaded, _work = cached()
    assert [found.code for found in loaded.diagnostics] == [code]


def test_a_host_without_the_pinned_slice_is_noticed(cached, making) -> None:
    cached()
    loaded, _work = cached(host=making.host(1))
    assert [found.code for found in loaded.diagnostics] == ["unknown-slice"]


def test_facts_that_nobody_asked_for_do_not_matter(cached, making) -> None:
    cached()
    assert cached(host=making.host(7, cpus=2))[1] is False
    assert cached(environment={**_ENVIRONMENT, "OTHER": "1"})[1] is False


def test_a_stack_with_mistakes_is_not_kept(cached, folder) -> None:
    _touch(folder, "stack.yaml", _TEXT.replace("tiny, slice", "tny, slice"))
    cached()
    assert not list(folder.glob("cache/*"))


def test_a_stack_with_a_sensitive_variable_is_not_kept(cached, folder) -> None:
    _touch(folder, "stack.yaml", _TEXT.replace("variables: {", "variables: {pin: {sensitive: true}, "))
    loaded, _work = cached(environment={**_ENVIRONMENT, "HEROCLOUD_VAR_pin": "1234"})
    assert loaded.desired is not None
    assert not list(folder.glob("cache/*"))


def test_entries_are_private_and_hold_no_secret(cached, folder) -> None:
    cached(environment={"SECRET": "hunter2"})
    (entry,) = folder.glob("cache/*")
    assert entry.stat().st_mode & 0o777 == 0o600
    assert entry.parent.stat().st_mode & 0o777 == 0o700
    assert b"hunter2" not in entry.read_bytes()


@pytest.mark.parametrize(
    "damage",
    [
        lambda entry: entry.write_bytes(entry.read_bytes()[:-40]),
        lambda entry: entry.write_bytes(b""),
        lambda entry: entry.write_bytes(entry.read_bytes().replace(b"s2", b"s3", 1)),
        lambda entry: entry.chmod(0o644),
        lambda entry: (entry.unlink(), entry.mkdir()),
    ],
    ids=["cut off", "empty", "changed", "readable by others", "a folder"],
)
def test_an_entry_that_is_damaged_or_foreign_is_ignored(cached, folder, damage) -> None:
    before, _work = cached()
    (entry,) = folder.glob("cache/*")
    damage(entry)
    after, was_work = cached()
    assert was_work
    assert after == before


def test_a_folder_that_cannot_be_written_does_no_harm(cached, folder) -> None:
    (folder / "file").write_text("")
    loaded, _work = cached(cache=folder / "file" / "cache")
    assert loaded.desired is not None


def test_only_the_newest_entries_are_kept_and_what_others_keep_there(cached, folder) -> None:
    (folder / "cache").mkdir()
    (folder / "cache" / "host.json").write_text("{}")
    for number in range(25):
        cached(variables=[f"many={number}"])
    assert len(list(folder.glob("cache/stack-*"))) == 20
    assert cached(variables=["many=24"])[1] is False
    assert cached(variables=["many=0"])[1] is True
    assert (folder / "cache" / "host.json").exists()


def test_a_load_from_the_cache_imports_neither_pydantic_nor_ruamel(cached, folder) -> None:
    cached(environment=dict(os.environ) | _ENVIRONMENT)
    script = (
        "import os, sys, pathlib; sys.path.insert(0, sys.argv[1]); import making\n"
        "from herocloud.stack import loading\n"
        "given = {'environment': dict(os.environ), 'secret_key': b'k' * 32, 'cache': pathlib.Path('cache')}\n"
        "loaded = loading.load(['stack.yaml'], host=making.host(), **given)\n"
        "print(loaded.desired is not None, sorted({'pydantic', 'ruamel.yaml', '_ruamel_yaml'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", script, str(Path(__file__).parent)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **_ENVIRONMENT}, cwd=folder, check=True)
    assert done.stdout == "True []\n"
