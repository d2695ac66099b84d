"""The same key files give the same bytes of a plan, with and without a daemon; a changed key is blocked until it is approved."""

import http.server
import json
import threading
from pathlib import Path
from typing import Any

import pytest

STACK = """\
stack: shop
defaults: {image: tiny, memory: 256 MiB}
images: {tiny: {kernel: ./vmlinuz, initramfs: ./initramfs}}
mycelium: {peers: ["tcp://192.0.2.1:9651"]}
vms:
  web: {count: 2, mycelium: {open: [80]}}
  db: {mycelium: {seed: "0a1b2c3d4e5f"}}
outputs:
  db: "{{ vm.db.mycelium }}"
  all: "{{ vm.web[*].mycelium }}"
"""
PRIVATE = bytes(range(32))
SUBNET = "430:9364:d8d8:84a9"


@pytest.fixture
def stack(herocloud: Any) -> Any:
    (herocloud.folder / "stack.yaml").write_text(STACK)
    for name in ("vmlinuz", "initramfs"):
        (herocloud.folder / name).touch()
    return herocloud


def _put_key(folder: Path, private: bytes = PRIVATE) -> None:
    path = folder / "mycelium/keys/host.key"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(private)
    path.chmod(0o600)


class _Daemon(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = json.dumps({"nodeSubnet": "5c3:943d:3d21:1d4b::/64", "nodePubkey": "a6" * 32}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_words: Any) -> None:
        pass


def test_a_plan_has_the_same_bytes_with_and_without_a_daemon(stack: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    _put_key(stack.data_folder)
    without = stack("--json", "plan")
    assert without.code == 0, without.both
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Daemon)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    monkeypatch.setattr("herocloud.providers.mycelium.node_settings.API_PORT", server.server_address[1])
    with_daemon = stack("--json", "plan")
    server.shutdown()
    server.server_close()
    assert with_daemon.out == without.out
    outputs = {name: change["after"] for name, change in json.loads(without.out)["output_changes"].items()}
    assert outputs["db"] == f"{SUBNET}:ff0f:a1b:2c3d:4e5f"
    assert all(address.startswith(f"{SUBNET}:ff0f:") for address in outputs["all"])


def test_without_a_key_a_simulated_host_derives_addresses_and_says_so(stack: Any) -> None:
    ran = stack("plan")
    assert ran.code == 0, ran.both
    assert "derived from names" in ran.both


def test_a_changed_key_shows_every_address_and_is_blocked_without_approval(stack: Any) -> None:
    _put_key(stack.data_folder)
    assert stack("apply", "-y").code == 0
    _put_key(stack.data_folder, b"\x77" * 32)
    ran = stack("plan")
    for name in ("vm.web[0]", "vm.web[1]", "vm.db"):
        assert f"! {name}" in ran.out, ran.both
    assert ran.out.count(f"{SUBNET}:ff0f:") >= 3
    assert ran.out.count("57c:d5b3:ee99:3553:ff0f:") >= 3
    assert "57c:d5b3:ee99:3553::/64" in ran.out
    blocked = stack("apply", "--approve", "create,update")
    assert blocked.code == 12, blocked.both
    assert stack("apply", "--approve", "create,update,reboot").code == 0
    assert stack("output", "db").out.strip() == "57c:d5b3:ee99:3553:ff0f:a1b:2c3d:4e5f"


def test_a_plan_that_was_saved_is_stale_when_the_key_has_changed(stack: Any) -> None:
    _put_key(stack.data_folder)
    assert stack("plan", "--out", "plan.json").code == 0
    _put_key(stack.data_folder, b"\x77" * 32)
    ran = stack("apply", "plan.json")
    assert ran.code == 10, ran.both
    assert "overlay-key" in ran.both


def test_keys_are_made_on_the_command_line_and_never_replaced(stack: Any) -> None:
    made = stack("--json", "mycelium", "key", "create", "host", "shop")
    assert made.code == 0, made.both
    keys = json.loads(made.out)["keys"]
    assert [one["name"] for one in keys] == ["host", "shop"]
    assert {Path(one["path"]).stat().st_mode & 0o777 for one in keys} == {0o600}
    again = stack("mycelium", "key", "create", "other", "host")
    assert again.code == 1
    assert "The key exists already" in again.err
    assert not (stack.data_folder / "mycelium/keys/other.key").exists(), "all or none"
    wrong = stack("mycelium", "key", "create", "../host")
    assert (wrong.code, "Traceback" in wrong.both) == (1, False)


def test_the_status_without_a_daemon_says_so(stack: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("herocloud.providers.mycelium.node_settings.API_PORT", 1)
    ran = stack("mycelium", "status")
    assert ran.code == 1
    assert "not running" in ran.out
