"""Devices, pipes, folders and nonsense where a file is meant: a diagnostic at once, in little memory."""

import os
import resource
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from herocloud.kits import pipes

pytestmark = pytest.mark.world


def run(herocloud: Any, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a process of its own, which has a gigabyte of memory and half a minute."""
    return subprocess.run(
        [sys.executable, "-m", "herocloud", *words],
        cwd=herocloud.folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30)),
    )


@pytest.mark.parametrize(
    "words",
    [("apply", "/dev/zero"), ("show", "/dev/zero"), ("graph", "/dev/zero"), ("apply", "./pipe"), ("apply", "."), ("apply", "huge")],
    ids=" ".join,
)
def test_a_plan_is_a_plain_file(herocloud: Any, words: tuple[str, ...]) -> None:
    os.mkfifo(herocloud.folder / "pipe")
    with (herocloud.folder / "huge").open("wb") as stream:
        stream.truncate(2**40)
    ran = run(herocloud, *words)
    assert ran.returncode == 1, ran
    assert "MemoryError" not in ran.stderr
    assert "defect" not in ran.stderr
    assert "error: " in ran.stderr


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b"{}", b'{"stack": 5}', b"[]", b"\xff\xfe"], ids=["deep", "empty", "wrong", "list", "bytes"]
)
def test_a_plan_with_a_good_checksum_and_nonsense_in_it(herocloud: Any, body: bytes) -> None:
    import hashlib
    import json

    head = {"format": "herocloud-plan", "version": 1, "checksum": hashlib.blake2b(body, digest_size=16).hexdigest()}
    (herocloud.folder / "p.hcplan").write_bytes(json.dumps(head).encode() + b"\n" + body + b"\n")
    ran = herocloud("apply", "p.hcplan")
    assert (ran.code, "The plan file is damaged" in ran.err) == (1, True), ran.both


def test_a_plan_whose_head_is_nested_without_end(herocloud: Any) -> None:
    (herocloud.folder / "p.hcplan").write_bytes(b"[" * 200_000 + b"\n{}\n")
    ran = herocloud("apply", "p.hcplan")
    assert (ran.code, "Not a plan file" in ran.err) == (1, True), ran.both


def test_a_host_file_that_is_a_pipe(herocloud: Any) -> None:
    (herocloud.data_folder / "host.yaml").unlink()
    os.mkfifo(herocloud.data_folder / "host.yaml")
    for words in (("plan",), ("host", "show"), ("slice", "list")):
        ran = run(herocloud, *words)
        assert (ran.returncode, "defect" in ran.stderr) == (1, False), ran
        assert "not a plain file" in ran.stderr


def test_a_scenario_that_never_ends(herocloud: Any) -> None:
    with (herocloud.data_folder / "host.yaml").open("a") as stream:
        stream.write("simulator: {scenario: /dev/zero}\n")
    herocloud.write("stack: s\nvolumes: {a: {size: 1 GiB}}\n")
    ran = run(herocloud, "apply", "-y")
    assert (ran.returncode, "not a plain file" in ran.stderr) == (1, True), ran


@pytest.mark.parametrize("words", [("plan",), ("drift",), ("vm", "list"), ("validate",), ("fmt", "--check"), ("output",)], ids=" ".join)
def test_a_stack_file_that_never_ends(herocloud: Any, words: tuple[str, ...]) -> None:
    ran = run(herocloud, *words, "-f", "/dev/zero")
    assert "MemoryError" not in ran.stderr, ran
    assert "defect" not in ran.stderr, ran


@pytest.mark.parametrize("digits", [40, 500, 6000, 200_000])
def test_a_number_without_end(herocloud: Any, digits: int) -> None:
    for number in ("0x" + "f" * digits, "0o" + "7" * digits, "9" * digits, "1e" + "9" * min(digits, 500)):
        herocloud.write(f"stack: s\nvms:\n  a: {{vcpus: {number}}}\n")
        ran = herocloud("plan")
        assert (ran.code, "defect" in ran.err) == (1, False), ran.err[:500]


@pytest.mark.parametrize("escape", ["\\0", "\\x00", "\\u0000", "\\U00000000"])
def test_a_nul_in_a_text(herocloud: Any, escape: str) -> None:
    (herocloud.folder / "k").touch()
    herocloud.write(f'stack: s\nimages: {{i: {{kernel: ./k, cmdline: "a{escape}b"}}}}\nvms: {{a: {{image: i}}}}\n')
    ran = herocloud("plan")
    assert (ran.code, "Text with a NUL character" in ran.err, "stack.yaml:2:" in ran.err) == (1, True, True), ran.both


def test_a_comma_in_the_path_of_a_share(herocloud: Any, tmp_path: Path) -> None:
    (herocloud.folder / "a,xattr").mkdir()
    herocloud.write(
        "stack: s\nimages: {i: {source: 'https://example.org/a', unpinned: true, format: raw}}\n"
        "vms: {a: {image: i, shares: [{path: './a,xattr', tag: t}]}}\n"
    )
    ran = herocloud("plan")
    assert (ran.code, "it has a comma" in ran.err) == (1, True), ran.both


def test_an_mtu_is_not_a_key(herocloud: Any) -> None:
    herocloud.write("stack: s\nnetworks: {lan: {cidr: 10.9.0.0/24, mtu: 576}}\n")
    assert "`mtu` is not a key here." in herocloud("plan").err


@pytest.mark.parametrize(
    "words",
    [
        ("vm", "import", "./pipe"),
        ("vm", "import", "/dev/zero"),
        ("daemon", "run", "--listen", "127.0.0.1:9", "--token-file", "./pipe"),
        ("daemon", "run", "--listen", "127.0.0.1:9", "--token-file", "token", "--tls-certificate", "./pipe", "--tls-key", "./pipe"),
    ],
    ids=["import", "import-device", "token", "certificate"],
)
def test_what_else_is_named_is_a_plain_file(herocloud: Any, words: tuple[str, ...]) -> None:
    os.mkfifo(herocloud.folder / "pipe", 0o600)
    token = herocloud.folder / "token"
    token.touch(0o600)
    token.write_text("0123456789abcdef0123456789abcdef")
    ran = run(herocloud, *words)
    assert "defect" not in ran.stderr
    assert ran.returncode == 1, ran
    assert "not a plain file" in ran.stderr, ran


STACK = "stack: s\nvolumes: {v: {size: 8 MiB}}\n"


def test_a_pipe_that_nobody_writes_to_is_refused_after_a_while(herocloud: Any) -> None:
    os.mkfifo(herocloud.folder / "pipe")
    ran = run(herocloud, "validate", "-f", "./pipe")
    assert (ran.returncode, "it is a pipe, and nobody has written to it for 10 s" in ran.stderr) == (1, True), ran


@pytest.mark.parametrize(
    "script",
    [
        "{run} validate -f <(cat good.yaml)",
        "cat good.yaml | {run} validate -f /dev/stdin",
        "cat good.yaml | {run} validate -f -",
        "(cat good.yaml >pipe) & {run} validate -f pipe",
    ],
)
def test_what_a_program_writes_is_a_stack_file(herocloud: Any, script: str) -> None:
    os.mkfifo(herocloud.folder / "pipe")
    (herocloud.folder / "good.yaml").write_text(STACK)
    words = ["bash", "-c", script.format(run=f"{sys.executable} -m herocloud")]
    ran = subprocess.run(words, cwd=herocloud.folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
    assert (ran.returncode, ran.stderr) == (0, ""), ran


def test_a_pipe_that_somebody_has_open_is_read_to_its_end(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reading = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        with pytest.raises(pipes.NobodyWrites):
            pipes.read(reading, 100, patience=0)
        writing = os.open(tmp_path / "pipe", os.O_WRONLY)
        answers: list[bytes] = []
        reader = threading.Thread(target=lambda: answers.append(pipes.read(reading, 6, patience=0)))
        reader.start()
        for word in (b"one", b"two", b"three"):
            os.write(writing, word)
        os.close(writing)
        reader.join()
        assert answers == [b"onetwo"]
    finally:
        os.close(reading)


@pytest.mark.parametrize("name", ["secret.key", "state.lineage", "daemon.json", "lock"])
def test_a_pipe_in_the_data_folder_is_not_waited_for(herocloud: Any, name: str) -> None:
    (herocloud.folder / "stack.yaml").write_text(STACK)
    assert herocloud("apply", "-y", "-q").code == 0
    path = herocloud.data_folder / name
    path.unlink(missing_ok=True)
    os.mkfifo(path, 0o600)
    ran = run(herocloud, "plan")
    assert "defect" not in ran.stderr
    if name in ("secret.key", "state.lineage"):
        assert (ran.returncode, "it is not a plain file" in ran.stderr) == (1, True), ran
    else:
        assert ran.returncode == 0, ran
