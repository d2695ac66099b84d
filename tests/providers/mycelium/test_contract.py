"""What our client relies on, over the stand-in and over the real daemon where it is on PATH: one suite, so that they cannot drift apart."""

import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import daemons
import pytest
from daemons import Daemon, Ports

from herocloud.kits import jsons
from herocloud.kits.http import HttpClient, HttpError
from herocloud.model.errors import Permanent, Temporary
from herocloud.providers.mycelium import api, arithmetic
from herocloud.providers.mycelium.api import Client, Connection, PeerKind

pytestmark = pytest.mark.world

KEY = bytes(range(32))
OTHER = b"\x77" * 32
PEER = "tcp://192.0.2.1:9651"
Start = Callable[..., Daemon]


@pytest.fixture(params=["standin", pytest.param("live", marks=[pytest.mark.live, pytest.mark.root])])
def kind(request: Any) -> str:
    if request.param == "live" and daemons.real_daemon() is None:
        pytest.skip("the program `mycelium` is not on PATH")
    return str(request.param)


@pytest.fixture
def place(kind: str) -> Iterator[str | None]:
    """Return the namespace that daemons run in: the real one listens on all addresses, and so gets one of its own."""
    if kind == "standin":
        yield None
        return
    name = f"mycelium-{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    subprocess.run(["ip", "-n", name, "link", "set", "lo", "up"], check=True)
    yield name
    subprocess.run(["ip", "netns", "delete", name], check=True)


@pytest.fixture
def start(kind: str, place: str | None, tmp_path: Path) -> Iterator[Start]:
    running: list[Daemon] = []

    def begin(*more: str, key: bytes = KEY, ports: Ports | None = None, answers: bool = True, **environment: str) -> Daemon:
        path = tmp_path / f"{len(running)}.key"
        if key:
            path.write_bytes(key)
        ports = ports or daemons.free_ports()
        daemon = Daemon(daemons.command(kind, path, ports, *more), ports, tmp_path / f"{len(running)}.log", place, environment)
        running.append(daemon)
        if answers:
            daemons.wait_until(lambda: is_there(daemon))
        return daemon

    yield begin
    for daemon in running:
        daemon.stop()


def asked(daemon: Daemon, question: Callable[[Client], Any], patience: float = 20.0) -> Any:
    def ask() -> Any:
        with Client(daemon.ports.api, patience=patience) as client:
            return question(client)

    return daemon.inside(ask)


def is_there(daemon: Daemon) -> bool:
    try:
        return bool(asked(daemon, Client.node))
    except Temporary:
        assert daemon.process.poll() is None, daemon.said()
        return False


def raw(daemon: Daemon, method: str, path: str, body: Any = None, *, port: int | None = None, timeout: float = 10.0) -> Any:
    def ask() -> Any:
        with HttpClient(f"http://127.0.0.1:{port or daemon.ports.api}", timeout=timeout) as client:
            return client.request(method, path, body)

    return daemon.inside(ask)


def test_the_node_is_the_one_that_its_key_makes(start: Start) -> None:
    node = asked(start(), Client.node)
    public = arithmetic.public_key(KEY)
    assert (node.public_key, node.subnet) == (public, arithmetic.node_subnet(public))
    assert node.address == arithmetic.node_address(public)
    assert node.started > 1_700_000_000


def test_a_peer_is_added_once_and_removed_once(start: Start) -> None:
    daemon = start()
    assert [asked(daemon, lambda client: client.add_peer(PEER)) for _ in range(2)] == [True, False]
    (peer,) = asked(daemon, Client.peers)
    assert (peer.endpoint, peer.kind) == (PEER, PeerKind.STATIC)
    assert peer.connection is not Connection.ALIVE, "adding returns before anybody connects"
    assert [asked(daemon, lambda client: client.remove_peer(PEER)) for _ in range(2)] == [True, False]
    assert asked(daemon, Client.peers) == ()


@pytest.mark.parametrize("endpoint", ["tcp://[2001:db8::1]:9651", "quic://192.0.2.1:9651", "tls://192.0.2.1:9651", "vsock://2:9651"])
def test_every_kind_of_endpoint_comes_back_as_it_was_given(start: Start, endpoint: str) -> None:
    daemon = start()
    assert asked(daemon, lambda client: client.add_peer(endpoint))
    assert [peer.endpoint for peer in asked(daemon, Client.peers)] == [endpoint]
    assert asked(daemon, lambda client: client.remove_peer(endpoint))


def test_codes_and_words_are_those_of_the_document(start: Start) -> None:
    daemon = start()
    path = "/api/v1/admin/peers"
    codes = [raw(daemon, "POST", path, {"endpoint": text}).status for text in (PEER, PEER, "tcp://example.org:9651", "1.2.3.4:9651")]
    assert codes == [204, 409, 400, 400]
    assert raw(daemon, "POST", path, {"endpoint": PEER}).text == "A peer identified by that endpoint already exists"
    quoted = PEER.replace(":", "%3A").replace("/", "%2F")
    assert [raw(daemon, "DELETE", f"{path}/{one}").status for one in (quoted, quoted, "nonsense")] == [204, 404, 400]


def test_a_name_is_refused_with_the_daemons_words(start: Start) -> None:
    daemon = start()
    with pytest.raises(Permanent, match=r"refused the peer .* failed to parse address"):
        asked(daemon, lambda client: client.add_peer("tcp://example.org:9651"))


def test_two_daemons_connect_and_see_each_others_subnet(start: Start) -> None:
    one = start()
    two = start(key=OTHER)
    endpoint = f"tcp://127.0.0.1:{one.ports.tcp}"
    assert asked(two, lambda client: client.add_peer(endpoint))
    daemons.wait_until(lambda: [peer.connection for peer in asked(two, Client.peers)] == [Connection.ALIVE])
    daemons.wait_until(lambda: len(asked(one, Client.peers)) == 1)
    (inbound,) = asked(one, Client.peers)
    assert (inbound.kind, inbound.connection) == (PeerKind.INBOUND, Connection.ALIVE)
    assert inbound.endpoint != endpoint
    subnet = asked(one, Client.node).subnet
    daemons.wait_until(lambda: subnet in [route.subnet for route in asked(two, Client.routes)])


def test_peers_are_forgotten_with_the_process_and_the_start_time_tells(start: Start) -> None:
    daemon = start()
    asked(daemon, lambda client: client.add_peer(PEER))
    before = asked(daemon, Client.node).started
    assert daemon.stop() == 0, "SIGTERM ends it well"
    daemons.wait_until(lambda: int(time.time()) > before)
    again = start(ports=daemon.ports)
    assert asked(again, Client.peers) == ()
    assert asked(again, Client.node).started > before


def test_peers_of_the_command_line_are_static_too(start: Start) -> None:
    daemon = start("--peers", PEER)
    assert [(peer.endpoint, peer.kind) for peer in asked(daemon, Client.peers)] == [(PEER, PeerKind.STATIC)]
    assert asked(daemon, lambda client: client.add_peer(PEER)) is False


def test_who_waits_for_a_message_keeps_everybody_waiting(start: Start) -> None:
    daemon = start()
    other = daemons.Inside(daemon.namespace)
    waiting = threading.Thread(target=lambda: other(_wait_for_message, daemon.ports.api))
    waiting.start()
    daemons.wait_until(lambda: _is_silent(daemon))
    waiting.join()
    other.close()
    assert asked(daemon, Client.node), "and afterwards all is well"


def _wait_for_message(port: int) -> None:
    with HttpClient(f"http://127.0.0.1:{port}", timeout=20) as client:
        assert client.request("GET", "/api/v1/messages?timeout=2").status == 204


def _is_silent(daemon: Daemon) -> bool:
    try:
        asked(daemon, Client.node, patience=0.5)
    except Temporary as error:
        return "waits for messages" in str(error)
    return False


def test_a_question_about_ipv4_breaks_off(start: Start) -> None:
    daemon = start()
    with pytest.raises(HttpError):
        raw(daemon, "GET", "/api/v1/pubkey/192.0.2.1", timeout=5)
    assert asked(daemon, Client.node)


def test_statistics_are_there_and_empty_at_first(start: Start) -> None:
    assert asked(start(), Client.statistics) == api.Statistics({}, {})


def test_json_rpc_has_other_codes_and_one_text(start: Start) -> None:
    daemon = start()

    def call(method: str, *params: str) -> Any:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
        return raw(daemon, "POST", "/rpc", body, port=daemon.ports.rpc).json()

    assert call("addPeer", PEER)["result"] is True
    errors = [call("addPeer", PEER), call("addPeer", "x"), call("deletePeer", "tcp://192.0.2.9:1"), call("deletePeer", "x")]
    assert [one["error"]["code"] for one in errors] == [-32010, -32009, -32011, -32012]
    assert {one["error"]["message"] for one in errors} == {"Server error"}
    assert call("getInfo")["result"]["nodeSubnet"] == asked(daemon, Client.node).subnet


def test_a_taken_api_port_only_switches_the_api_off(start: Start) -> None:
    one = start()
    ports = daemons.free_ports()._replace(api=one.ports.api)
    two = start(key=OTHER, ports=ports, answers=False)
    daemons.wait_until(lambda: "API disabled" in two.said())
    body = {"jsonrpc": "2.0", "id": 1, "method": "getInfo", "params": []}

    def answers() -> Any:
        try:
            return raw(two, "POST", "/rpc", body, port=ports.rpc).json()["result"]["nodePubkey"]
        except HttpError:
            return None

    assert daemons.wait_until(answers) == arithmetic.public_key(OTHER), "it runs, and only JSON-RPC answers"
    assert asked(one, Client.node).public_key == arithmetic.public_key(KEY)


def test_a_taken_json_rpc_port_ends_it(start: Start) -> None:
    one = start()
    two = start(key=OTHER, ports=daemons.free_ports()._replace(rpc=one.ports.rpc), answers=False)
    assert two.process.wait(20) != 0
    assert "Failed to build JSON-RPC server" in two.said()


def test_a_missing_key_is_made_and_a_short_one_refused(start: Start, tmp_path: Path) -> None:
    start(key=b"")
    made = tmp_path / "0.key"
    assert (made.stat().st_size, made.stat().st_mode & 0o777) == (32, 0o640)
    short = start(key=b"k" * 31, answers=False)
    assert short.process.wait(20) != 0
    longer = start(key=KEY + b"more")
    assert asked(longer, Client.node).public_key == arithmetic.public_key(KEY)


def test_inspect_tells_the_same_as_our_arithmetic(kind: str, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_bytes(KEY)
    words = daemons.command(kind, key, Ports())
    found = jsons.loads(subprocess.run([*words[: words.index("-k") + 2], "inspect", "--json"], check=True, capture_output=True).stdout)
    public = arithmetic.public_key(KEY)
    assert (found["publicKey"], found["address"]) == (public, arithmetic.node_address(public))


@pytest.mark.parametrize("version", ["0.7.1", "0.7.5", "0.7.6", "0.7.7"])
def test_older_daemons_are_understood(kind: str, start: Start, version: str) -> None:
    if kind != "standin":
        pytest.skip("one version of the real daemon is here; the stand-in plays the others")
    daemon = start("--peers", PEER, STANDIN_VERSION=version)
    assert [peer.endpoint for peer in asked(daemon, Client.peers)] == [PEER]
    node = asked(daemon, Client.node)
    assert (node.address, node.started) == (None, None)
    assert asked(daemon, Client.statistics) == api.Statistics({}, {})


def test_something_else_on_the_port_is_not_taken_for_a_daemon() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            asked = b""
            while not asked:  # the first connection only finds out that somebody listens
                wire, _ = server.accept()
                with wire:
                    asked = wire.recv(1000)
                    if asked:
                        wire.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

        thread = threading.Thread(target=answer)
        thread.start()
        with Client(server.getsockname()[1]) as client, pytest.raises(Permanent, match="not an overlay daemon"):
            client.node()
        thread.join()


def test_nobody_there_is_a_kind_of_its_own() -> None:
    with Client(daemons.free_ports().api) as client, pytest.raises(api.NotThere, match="no overlay daemon answers"):
        client.node()
