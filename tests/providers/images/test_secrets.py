"""Secrets reach the guest and nothing else: read late, held against the plan, in files for root alone, on no other way."""

import base64
import hashlib
import json
import os
import shutil
import subprocess

import pytest

from herocloud.model.errors import Conflict, Permanent
from herocloud.providers.images import seed_texts
from herocloud.stack.checks import outside

KEY = bytes(range(32))
VALUE = b"correct horse battery staple"


@pytest.fixture
def keyed(bench, monkeypatch):
    """Return a bench with the key for digests, and the secret in the environment."""
    bench.folder.mkdir()
    (bench.folder / seed_texts.KEY).write_bytes(KEY)
    monkeypatch.setenv("DB_PASSWORD", VALUE.decode())
    return bench


def secret(digest=None, **origin):
    return {"db_password": {**(origin or {"env": "DB_PASSWORD"}), "digest": digest}}


def write(bench, shapes, secrets):
    return bench.perform("seed.write", "vm.web", "seed", None, shapes.SEED, spec=shapes.spec(secrets=secrets))


def test_the_digest_is_the_one_that_the_stack_makes() -> None:
    environment = {"DB_PASSWORD": VALUE.decode()}
    assert outside.look_at_secret("env", "DB_PASSWORD", environment, KEY) == (True, seed_texts.digest(VALUE, KEY))


def test_a_secret_goes_into_a_file_for_root_alone(keyed, shapes) -> None:
    config = seed_texts.own_config(shapes.spec(), {"db_password": VALUE})
    assert config["write_files"] == [
        {
            "path": "/etc/herocloud/secrets/db_password",
            "owner": "root:root",
            "permissions": "0600",
            "encoding": "b64",
            "content": base64.b64encode(VALUE).decode(),
        }
    ]


@pytest.mark.skipif(shutil.which("bsdtar") is None, reason="needs bsdtar (package libarchive-tools)")
def test_what_was_planned_is_delivered(keyed, shapes) -> None:
    write(keyed, shapes, secret(seed_texts.digest(VALUE, KEY)))
    said = subprocess.run(["bsdtar", "-xOf", str(keyed.folder / "vms/v1/seed.iso"), "user-data"], check=True, capture_output=True).stdout
    (file,) = json.loads(said.split(b"\n", 1)[1])["write_files"]
    assert base64.b64decode(file["content"]) == VALUE


def test_a_secret_that_changed_since_the_plan_is_not_delivered(keyed, shapes, monkeypatch) -> None:
    monkeypatch.setenv("DB_PASSWORD", "another")
    with pytest.raises(Conflict, match=r"the secret `db_password` of `vm\.web` is not the one that was planned") as caught:
        write(keyed, shapes, secret(seed_texts.digest(VALUE, KEY)))
    assert "another" not in str(caught.value).replace("another value", "")
    assert [name for name in keyed.files() if name != seed_texts.KEY] == []


def test_a_secret_from_a_file_is_read_when_the_seed_is_written(keyed, shapes, tmp_path) -> None:
    path = tmp_path / "password"
    path.write_bytes(b"\x00binary\xff")
    write(keyed, shapes, secret(seed_texts.digest(path.read_bytes(), KEY), file=str(path)))
    assert keyed.part("vm.web", "seed") == shapes.SEED


def test_missing_secrets_say_which_and_what_to_do(keyed, shapes, monkeypatch, tmp_path) -> None:
    monkeypatch.delenv("DB_PASSWORD")
    with pytest.raises(Permanent, match="the environment variable `DB_PASSWORD` is not set; set it, and resume"):
        write(keyed, shapes, secret("0"))
    with pytest.raises(Permanent, match="`/nowhere`: No such file"):
        write(keyed, shapes, secret("0", file="/nowhere"))
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(Permanent, match="is not a plain file"):
        write(keyed, shapes, secret("0", file=str(tmp_path / "pipe")))
    (tmp_path / "large").write_bytes(bytes(70_000))
    with pytest.raises(Permanent, match="larger than 64 KiB"):
        write(keyed, shapes, secret("0", file=str(tmp_path / "large")))


def test_a_plan_without_a_key_yet_delivers_what_there_is(bench, shapes, monkeypatch) -> None:
    monkeypatch.setenv("DB_PASSWORD", VALUE.decode())
    write(bench, shapes, secret(None))
    assert bench.part("vm.web", "seed") == shapes.SEED
    with pytest.raises(Permanent, match="cannot be held against the plan"):
        bench.perform(
            "seed.write", "vm.db", "seed", None, {**shapes.SEED, "path": "vms/v2/seed.iso"}, spec=shapes.spec(secrets=secret("0"))
        )


def test_a_secret_lies_in_the_seed_only_and_nobody_else_can_read_it(keyed, shapes, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    write(keyed, shapes, secret(seed_texts.digest(VALUE, KEY)))
    new = {path for path in tmp_path.rglob("*") if path.is_file()} - before
    holding = [path for path in new if VALUE in path.read_bytes() or base64.b64encode(VALUE) in path.read_bytes()]
    assert holding == [keyed.folder / "vms/v1/seed.iso"]
    assert holding[0].stat().st_mode & 0o777 == 0o600


def test_the_file_of_a_seed_is_private_from_its_first_byte(keyed, shapes, monkeypatch) -> None:
    opened = []
    real = os.open

    def watch(path, flags, mode=0o777, **options):
        if str(path).endswith(".seed.iso.new"):
            opened.append((mode, bool(flags & os.O_EXCL)))
        return real(path, flags, mode, **options)

    monkeypatch.setattr(os, "open", watch)
    write(keyed, shapes, secret(seed_texts.digest(VALUE, KEY)))
    assert opened == [(0o600, True)]


def test_no_mark_tells_a_secret_or_its_digest(keyed, shapes) -> None:
    write(keyed, shapes, secret(seed_texts.digest(VALUE, KEY)))
    said = (keyed.folder / "vms/v1/seed.iso.mark").read_text()
    assert hashlib.sha256(VALUE).hexdigest() not in said
    assert seed_texts.digest(VALUE, KEY) not in said
    assert "db_password" not in said
