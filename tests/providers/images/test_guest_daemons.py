"""The seed of a guest that runs an overlay daemon of its own: its key, its peers, and how it is started."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from herocloud.model.errors import Conflict, Permanent
from herocloud.providers import guest_keys
from herocloud.providers.images import network_config, seed_texts

PRIVATE = bytes(range(32))
PUBLIC = "8f40c5adb68f25624ae5b214ea767a6ec94d829d3d7b5e1ad1ba6f3e2138285f"
KEY = {"name": "shop.web", "public": PUBLIC}


def _spec(**fields: Any) -> dict[str, Any]:
    overlay = {"mode": "guest", "peers": ["tcp://192.0.2.1:9651"], "address": "430::1", "key": KEY}
    return {"hostname": "web", "ssh_keys": [], "env": {}, "user_data": None, "mycelium": overlay, "networks": [], **fields}


def _config(spec: dict[str, Any]) -> dict[str, Any]:
    text = seed_texts.user_data(spec, {}, PRIVATE).decode()
    return dict(json.loads(text.removeprefix("#cloud-config\n")))


def test_the_key_is_a_file_for_root_alone_and_the_peers_are_beside_it() -> None:
    files = {one["path"]: one for one in _config(_spec())["write_files"]}
    assert base64.b64decode(files["/etc/mycelium/key.bin"]["content"]) == PRIVATE
    assert (files["/etc/mycelium/key.bin"]["permissions"], files["/etc/mycelium/key.bin"]["owner"]) == ("0600", "root:root")
    assert base64.b64decode(files["/etc/mycelium/mycelium.toml"]["content"]) == b'peers = ["tcp://192.0.2.1:9651"]\n'


def test_the_daemon_is_started_and_what_the_user_starts_too() -> None:
    config = _config(_spec(user_data="#cloud-config\nruncmd: [[echo, hello]]\n"))
    assert [words[:2] for words in config["runcmd"]] == [["sh", "-c"], ["echo", "hello"]]
    assert "systemctl enable --now herocloud-mycelium" in config["runcmd"][0][2]


def test_no_card_of_the_overlay_is_in_its_network_configuration() -> None:
    assert network_config.network_config("vm.web", _spec(), ()) == {"version": 2, "ethernets": {}}


def test_a_key_that_is_another_one_or_gone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Permanent, match="cannot be read"):
        guest_keys.read(tmp_path, "vm.web", KEY)
    path = tmp_path / "mycelium/keys/shop.web.key"
    path.parent.mkdir(parents=True)
    path.write_bytes(PRIVATE)
    path.chmod(0o600)
    assert guest_keys.read(tmp_path, "vm.web", KEY) == PRIVATE
    for other in (b"\1" * 32, PRIVATE[:31]):
        path.write_bytes(other)
        with pytest.raises(Conflict, match="not the one that the plan was made with"):
            guest_keys.read(tmp_path, "vm.web", KEY)
