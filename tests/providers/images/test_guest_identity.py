"""The command in every seed that makes a guest on a copied disk a machine of its own, run in a folder that stands for its root."""

import subprocess
from pathlib import Path

import pytest

from herocloud.providers.images import guest_identity, seed_texts


def _run(root: Path, sid: str = "v1", lineage: str = "ours") -> None:
    shell, flag, script, name, identity = guest_identity.renewal(sid, lineage)
    inside = script.replace("/var/", f"{root}/var/").replace("/etc/", f"{root}/etc/").replace("ssh-keygen -A", "true")
    inside = inside.replace("systemd-machine-id-setup", "false")
    subprocess.run([shell, flag, inside, name, identity], check=True)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("etc/ssh", "var/lib/systemd"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "etc/machine-id").write_text("0123")
    (tmp_path / "etc/ssh/ssh_host_rsa_key").write_text("private")
    (tmp_path / "var/lib/systemd/random-seed").write_text("seed")
    return tmp_path


def _state(root: Path) -> tuple[str, bool, bytes]:
    seed = (root / "var/lib/systemd/random-seed").read_bytes()
    return (root / "etc/machine-id").read_text(), (root / "etc/ssh/ssh_host_rsa_key").exists(), seed


def test_the_first_boot_and_those_after_it_change_nothing(root) -> None:
    before = _state(root)
    _run(root)
    _run(root)
    assert _state(root) == before


@pytest.mark.parametrize("other", [{"sid": "v2"}, {"lineage": "theirs"}], ids=["a clone", "an import"])
def test_a_copied_disk_gets_a_new_machine_id_new_host_keys_and_a_new_random_seed(root, other) -> None:
    _run(root)
    before = _state(root)
    _run(root, **other)
    after = _state(root)
    assert after[0] != before[0]
    assert len(after[0].strip()) == 32
    assert not after[1]
    assert after[2] != before[2]
    _run(root, **other)
    assert _state(root) == after


def test_what_the_user_runs_at_boot_stays_beside_it(shapes) -> None:
    renewal = guest_identity.renewal("v1", "ours")
    text = seed_texts.user_data(shapes.spec(user_data="#cloud-config\nbootcmd: [[echo, hi]]\n"), {}, None, renewal).decode()
    config = seed_texts.read_config(text)
    assert config is not None
    assert config["bootcmd"] == [renewal, ["echo", "hi"]]
