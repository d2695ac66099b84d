"""Files and secrets beside the stack."""

import pytest

_HEAD = "stack: a\nimages: {tiny: {kernel: ./vmlinuz}}\nvms:\n"


def _secrets(sound, text: str, **options):
    return sound(f"{_HEAD}  web: {{image: tiny, secrets: {text}}}\n", **options).resources[1].spec["secrets"]


def test_a_secret_is_named_and_digested_and_not_there(sound, folder) -> None:
    (folder / "password").write_text("hunter2")
    options = {"environment": {"TOKEN": "hunter3"}, "secret_key": b"k" * 32}
    secrets = _secrets(sound, "{a: {env: TOKEN}, b: {file: ./password}}", **options)
    assert {name: {key: value for key, value in one.items() if key != "digest"} for name, one in secrets.items()} == {
        "a": {"env": "TOKEN"},
        "b": {"file": str(folder / "password")},
    }
    assert "hunter" not in repr(secrets)


def test_a_digest_changes_with_the_secret_and_with_the_key(sound) -> None:
    def digest(value: str, key: bytes | None) -> object:
        return _secrets(sound, "{a: {env: TOKEN}}", environment={"TOKEN": value}, secret_key=key)["a"]["digest"]

    assert digest("x", b"k" * 32) == digest("x", b"k" * 32)
    assert len({digest("x", b"k" * 32), digest("y", b"k" * 32), digest("x", b"j" * 32)}) == 3
    assert digest("x", None) is None


@pytest.mark.parametrize(("fields", "uses"), [("{image: tiny}", False), ("{image: tiny, secrets: {a: {env: TOKEN}}}", True)])
def test_a_load_tells_whether_it_needs_a_key(load, fields, uses) -> None:
    assert load(f"{_HEAD}  web: {fields}\n", environment={"TOKEN": "x"}).uses_secrets is uses


@pytest.mark.parametrize(
    ("content", "code"),
    [(None, "path-missing"), (b"\xff", "path-unreadable"), (b"x" * (1024**2 + 1), "path-unreadable")],
    ids=["missing", "not UTF-8", "too large"],
)
def test_user_data_that_cannot_be_used_is_told(codes, folder, content, code) -> None:
    if content is not None:
        (folder / "data").write_bytes(content)
    assert codes(f"{_HEAD}  web: {{image: tiny, user_data: {{file: ./data}}}}\n") == [(4, code)]


def test_a_path_may_begin_at_home(sound, folder, monkeypatch) -> None:
    monkeypatch.setenv("HOME", str(folder))
    assert sound("stack: a\nimages: {x: {kernel: ~/vmlinuz}}\n").resources[0].spec["kernel"] == str(folder / "vmlinuz")


def test_a_file_url_is_a_path(sound, folder) -> None:
    desired = sound(f"stack: a\nimages: {{x: {{source: 'file://{folder}/vmlinuz'}}}}\n")
    assert desired.resources[0].spec["source"] == str(folder / "vmlinuz")


def test_the_nearest_file_is_proposed(load) -> None:
    (found,) = load("stack: a\nimages: {x: {kernel: ./vmlinuzz}}\n").diagnostics
    assert found.hint == "did you mean `vmlinuz`?"
    (found,) = load("stack: a\nimages: {x: {kernel: ./nowhere/vmlinuz}}\n").diagnostics
    assert found.hint is not None
    assert found.hint.startswith("there is no folder")
