"""A stand-in for the overlay daemon, with the quirks that a client meets.

- A taken API port only logs "API disabled"; a taken JSON-RPC port panics; a taken QUIC port ends it; a taken TUN name ends it.
- Endpoints are shown in the shape of before or after 0.7.6, and `nodeIp` and `nodeStartTime` only since 0.7.8 (`STANDIN_VERSION`).
- Every call takes one lock, and `GET /messages?timeout=N` holds it for its whole wait.
- Peers live in memory; the connect loop is slow, so a peer is dead at first; unreachable ones stay dead.
- A peer that is known, as whatever, is a 409; one that is not known a 404. JSON-RPC sends other codes and always "Server error".
- `GET /pubkey/<IPv4>` panics: the connection ends without an answer.
- A missing key file is made 0640; 31 bytes are an error and 33 are taken. SIGHUP kills, SIGTERM ends with 0.

Where it differs from the real daemon (0.7.10), as its source says and as the contract suite and the tests of the provider showed when they
ran against both. No test relies on any of it:

| what | stand-in | real |
|---|---|---|
| protocol between nodes | plain TCP, whole /64s flooded with a hop count | Babel, encrypted |
| peers that ever connect | `tcp://` | `tcp`, `quic`, `tls` and `vsock` |
| discovery | its flags are taken and ignored | a beacon every 60 s on the named interfaces |
| a peer comes alive | within 0.2 s (`STANDIN_PACE`) | after about 5 s |
| state of a peer that cannot be reached | always `dead` | `dead`, and `connecting` while it tries |
| `lastConnected` | 0 or null | seconds, or null |
| `sent`, `received` of a peer | payload | with the protocol's own packets |
| packets to an unknown subnet | dropped without a word | up to 15 s of queries, then ICMPv6 unreachable |
| packets for an address in the own /64 that the kernel hands back | written to the TUN again | answered with ICMPv6 unreachable |
| packets whose source is outside of the own /64 | carried | encrypted with the node's key, which the far node cannot undo: lost |
| `metric` and `seqno` of a route | ten a hop, always 1 | from round-trip times, counted |
| `nextHop` | `TCP <endpoint>` | `TCP <own side> <-> <other side>` |
| `/pubkey/<IPv6>` | always 404 | the key, once a route is known |
| messages, topics, proxies, `/admin/routes/fallback`, `queried` | 404, but for the long poll | there |
"""

import argparse
import http.server
import ipaddress
import json
import os
import queue
import signal
import socket
import sys
import threading
import time
import tomllib
import urllib.parse
from pathlib import Path
from typing import Any

import standin_net as net

VERSION = os.environ.get("STANDIN_VERSION", "0.7.10")
PACE = float(os.environ.get("STANDIN_PACE", "0.2"))


def since(version: str) -> bool:
    return tuple(map(int, VERSION.split("."))) >= tuple(map(int, version.split(".")))


def identity(private: bytes) -> tuple[str, str]:
    """Return public key and address; written again here, so that the product is not checked against itself."""
    import blake3
    from cryptography.hazmat.primitives.asymmetric import x25519

    public = x25519.X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()
    raw = bytearray(blake3.blake3(public).digest()[:16])
    raw[0] = 5 if raw[0].bit_count() % 2 else 4
    return public.hex(), str(ipaddress.IPv6Address(bytes(raw)))


def load_key(path: Path) -> bytes:
    try:
        found = path.read_bytes()
    except FileNotFoundError:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640)
        os.fchmod(descriptor, 0o640)
        found = os.urandom(32)
        os.write(descriptor, found)
        os.close(descriptor)
    if len(found) < 32:
        raise SystemExit('Error: Custom { kind: UnexpectedEof, error: "failed to fill whole buffer" }')
    return found[:32]


class Daemon:
    def __init__(self, words: argparse.Namespace) -> None:
        self.lock = threading.Lock()
        self.public, self.address = identity(load_key(words.key_file))
        self.subnet = f"{ipaddress.IPv6Address(int(ipaddress.IPv6Address(self.address)) >> 64 << 64)}/64"
        self.started = int(time.time())
        self.began = time.monotonic()
        self.peers: dict[str, dict[str, Any]] = {}
        self.messages: queue.Queue[bytes] = queue.Queue()
        tun = None if words.no_tun else words.tun_name
        self.underlay = net.Underlay(self.address, words.tcp_listen_port, tun, PACE)
        for endpoint in words.peers:
            self.add(endpoint)

    def add(self, endpoint: str) -> bool:
        protocol, host, port = net.split(endpoint)
        key = _key(protocol, host, port)
        if key in self.peers or self.underlay.link_to(key):
            return False
        known = self.peers[key] = {"proto": protocol, "host": host, "port": port, "since": time.monotonic()}
        if protocol == "tcp":
            self.underlay.connect(key, host, port, lambda: self.peers.get(key) is known)
        return True

    def remove(self, endpoint: str) -> bool:
        protocol, host, port = net.split(endpoint)
        return self.peers.pop(_key(protocol, host, port), None) is not None

    def info(self) -> dict[str, Any]:
        found: dict[str, Any] = {"nodeSubnet": self.subnet, "nodePubkey": self.public}
        return {**found, "nodeIp": self.address, "nodeStartTime": self.started} if since("0.7.8") else found

    def stats(self) -> list[dict[str, Any]]:
        inbound = {
            link.endpoint: dict(zip(("proto", "host", "port"), net.split(link.endpoint), strict=True))
            for link in self.underlay.links
            if link.endpoint not in self.peers
        }
        return [
            *(self._stat(key, known, "static") for key, known in self.peers.items()),
            *(self._stat(key, known, "inbound") for key, known in inbound.items()),
        ]

    def _stat(self, key: str, known: dict[str, Any], kind: str) -> dict[str, Any]:
        link = self.underlay.link_to(key)
        return {
            "endpoint": _shape(known),
            "type": kind,
            "connectionState": "alive" if link else "dead",
            "txBytes": link.sent if link else 0,
            "rxBytes": link.received if link else 0,
            "discovered": int(time.monotonic() - known.get("since", self.began)),
            "lastConnected": 0 if link else None,
        }

    def routes(self) -> list[dict[str, Any]]:
        return [
            {"subnet": subnet, "nextHop": f"TCP {link.endpoint}", "metric": far * 10, "seqno": 1}
            for subnet, (far, link) in self.underlay.routes.items()
        ]

    def traffic(self) -> dict[str, Any]:
        def listed(side: str) -> list[dict[str, Any]]:
            return [{"ip": ip, "packetCount": count[0], "byteCount": count[1]} for ip, count in self.underlay.counts[side].items()]

        return {"bySource": listed("source"), "byDestination": listed("target")}


def _key(protocol: str, host: str, port: int) -> str:
    return f"{protocol}://{f'[{host}]' if ':' in host else host}:{port}"


def _shape(known: dict[str, Any]) -> dict[str, Any]:
    if known["proto"] == "vsock":
        return {"proto": "vsock", "addr": {"vsock": {"cid": int(known["host"]), "port": known["port"]}}}
    where = f"[{known['host']}]:{known['port']}" if ":" in known["host"] else f"{known['host']}:{known['port']}"
    return {"proto": known["proto"], "addr": {"socket": where}} if since("0.7.6") else {"proto": known["proto"], "socketAddr": where}


class Panic(Exception):
    """The daemon's task dies; the caller sees a connection that ends."""


class Api(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    daemon: Daemon

    def _http(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        parts = urllib.parse.urlsplit(self.path)
        path = parts.path.removeprefix("/api/v1")
        query = dict(urllib.parse.parse_qsl(parts.query, keep_blank_values=True))
        try:
            status, text, kind = self._route(self.command, path, query, body)
        except Panic:
            self.close_connection = True
            return
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    do_GET = do_POST = do_DELETE = do_PUT = _http  # noqa: N815  (the names that the library looks for)

    def _route(self, method: str, path: str, query: dict[str, str], body: bytes) -> tuple[int, str, str]:
        plain, shown = "text/plain; charset=utf-8", "application/json"
        daemon = self.daemon
        with daemon.lock:
            listings = {
                "/admin": daemon.info,
                "/admin/peers": daemon.stats,
                "/admin/routes/selected": daemon.routes,
                **({"/admin/stats/packets": daemon.traffic} if since("0.7.2") else {}),
            }
            if method == "GET" and path in listings:
                return 200, json.dumps(listings[path]()), shown
            if method == "GET" and path == "/messages":
                try:
                    return 200, daemon.messages.get(timeout=float(query.get("timeout", 0)) or 0.001).decode(), shown
                except queue.Empty:
                    return 204, "", plain
            if method == "GET" and path.startswith("/pubkey/"):
                if ":" not in path:
                    raise Panic
                return 404, "", plain
            try:
                if method == "POST" and path == "/admin/peers":
                    added = daemon.add(json.loads(body)["endpoint"])
                    return (204, "", plain) if added else (409, "A peer identified by that endpoint already exists", plain)
                if method == "DELETE" and path.startswith("/admin/peers/"):
                    gone = daemon.remove(urllib.parse.unquote(path.removeprefix("/admin/peers/")))
                    return (204, "", plain) if gone else (404, "A peer identified by that endpoint does not exist", plain)
            except ValueError as error:
                return 400, str(error), plain
        return 404, "", plain

    def log_message(self, *_words: Any) -> None:
        pass


class Rpc(Api):
    def _http(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        call = json.loads(self.rfile.read(length))
        answer: dict[str, Any] = {"jsonrpc": "2.0", "id": call.get("id")}
        given = call.get("params") or []
        first = next(iter(given.values() if isinstance(given, dict) else given), "")
        with self.daemon.lock:
            try:
                found = {
                    "getInfo": self.daemon.info,
                    "getPeers": self.daemon.stats,
                    "getSelectedRoutes": self.daemon.routes,
                    "getPacketStatistics": self.daemon.traffic,
                    "addPeer": lambda: self.daemon.add(first) or -32010,
                    "deletePeer": lambda: self.daemon.remove(first) or -32011,
                }[call["method"]]()
                if isinstance(found, int) and not isinstance(found, bool):
                    answer["error"] = {"code": found, "message": "Server error"}
                else:
                    answer["result"] = found
            except ValueError:
                answer["error"] = {"code": -32009 if call["method"] == "addPeer" else -32012, "message": "Server error"}
            except KeyError:
                answer["error"] = {"code": -32601, "message": "Method not found"}
        text = json.dumps(answer)
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    do_GET = do_POST = _http  # noqa: N815


def say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def serve(address: str, handler: type[Api], daemon: Daemon) -> bool:
    host, _, port = address.rpartition(":")
    try:
        server = http.server.ThreadingHTTPServer((host, int(port)), type("Bound", (handler,), {"daemon": daemon}))
    except OSError:
        return False
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    return True


def main() -> int:
    parser = argparse.ArgumentParser(prog="mycelium")
    parser.add_argument("-V", "--version", action="version", version=f"mycelium {VERSION}")
    parser.add_argument("-k", "--key-file", type=Path, default=Path.home() / ".local/share/mycelium/priv_key.bin")
    parser.add_argument("-c", "--config-file", type=Path)
    parser.add_argument("--peers", nargs="*", default=[])
    parser.add_argument("-t", "--tcp-listen-port", type=int, default=9651)
    parser.add_argument("-q", "--quic-listen-port", type=int, default=9651)
    parser.add_argument("--disable-quic", action="store_true")
    parser.add_argument("--peer-discovery-port", type=int, default=9650)
    parser.add_argument("--disable-peer-discovery", action="store_true")
    parser.add_argument("--peer-discovery-interface", action="append", default=[])
    parser.add_argument("--api-addr", default="127.0.0.1:8989")
    parser.add_argument("--jsonrpc-addr", default="127.0.0.1:8990")
    parser.add_argument("--no-tun", action="store_true")
    parser.add_argument("--tun-name", default="mycelium")
    parser.add_argument("-d", "--debug", action="store_true")
    parser.add_argument("--silent", action="store_true")
    arguments = [word for word in sys.argv[1:] if word not in ("inspect", "--json")]
    words = parser.parse_args(arguments)
    if "inspect" in sys.argv:
        public, address = identity(load_key(words.key_file))
        sys.stdout.write(json.dumps({"publicKey": public, "address": address}) + "\n")
        return 0
    if words.config_file is not None:
        # What the command line says replaces the file's; a file that is named has to be there.
        words.peers = words.peers or tomllib.loads(words.config_file.read_text()).get("peers", [])
    if not words.disable_quic:
        quic = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        try:
            quic.bind(("::", words.quic_listen_port))
        except OSError as error:
            raise SystemExit(f"Error: failed to bind quic socket: {error.strerror} (os error {error.errno})") from None
    daemon = Daemon(words)
    if not serve(words.api_addr, Api, daemon):
        say("ERROR Failed to bind listener for Http Api server\nERROR API disabled")
    if not serve(words.jsonrpc_addr, Rpc, daemon):
        say("thread 'main' panicked: Failed to build JSON-RPC server")
        return 101
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    while not ended.is_set():
        ended.wait(0.5)
    return 0


if __name__ == "__main__":
    sys.exit(main())
