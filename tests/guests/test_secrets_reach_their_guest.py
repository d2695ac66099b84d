"""A sensitive variable reaches the secret that names it, whichever way its value was given: on the host and in the seed of its guest."""

import base64
import json
import os

import pytest

STACK = """\
stack: shop
variables: {token: {sensitive: true}}
images: {deb: {source: ./disk.raw, format: raw, unpinned: true, nocloud: true}}
vms: {web: {image: deb, memory: 64 MiB, root_disk: {size: 1 MiB}, secrets: {token: {env: HEROCLOUD_VAR_token}}}}
"""
WORDS = "correct-horse"


@pytest.fixture
def secretive(stand_in):
    """Write a stack whose VM has a secret of its own, and a file with the value."""
    stand_in.write(STACK)
    stand_in.write("x" * 4096, "disk.raw")
    stand_in.write(f"token: {WORDS}\n", "values.yaml")
    return stand_in


def _delivered(herocloud, secret: str) -> bool:
    """Tell whether the seed has a file with this content, as cloud-init takes it."""
    (seed,) = herocloud.data_folder.glob("vms/*/seed.iso")
    return base64.b64encode(secret.encode()) in seed.read_bytes()


@pytest.mark.parametrize("words", [("--var", f"token={WORDS}"), ("--var-file", "values.yaml")], ids=["--var", "--var-file"])
def test_a_sensitive_variable_reaches_its_secret(secretive, words) -> None:
    ran = secretive("apply", "-y", "-q", *words)
    assert ran.code == 0, ran.both
    assert _delivered(secretive, WORDS), "the secret did not reach the guest"
    assert secretive.done("plan", *words).out.strip() == "No changes."
    assert "HEROCLOUD_VAR_token" not in os.environ
    assert WORDS not in json.dumps(json.loads(secretive.done("state", "show", "vm.web", "--json").out))


def test_a_variable_of_the_command_line_is_stronger_than_one_of_a_file(secretive) -> None:
    secretive.done("apply", "-y", "-q", "--var-file", "values.yaml", "--var", "token=stronger-one")
    assert _delivered(secretive, "stronger-one")
    assert not _delivered(secretive, WORDS)


def test_a_variable_file_may_be_a_pipe_that_is_read_once(secretive) -> None:
    reading, writing = os.pipe()
    os.write(writing, f"token: {WORDS}\n".encode())
    os.close(writing)
    ran = secretive("apply", "-y", "-q", "--var-file", f"/dev/fd/{reading}")
    os.close(reading)
    assert ran.code == 0, ran.both
    assert _delivered(secretive, WORDS), "the secret did not reach the guest"


def test_a_number_of_a_file_reaches_its_secret_as_it_is_written(secretive) -> None:
    secretive.write("token: 0x1F\n", "values.yaml")
    secretive.done("apply", "-y", "-q", "--var-file", "values.yaml")
    assert _delivered(secretive, "0x1F")
