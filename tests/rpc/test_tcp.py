"""The listener over TCP: a token that is kept, compared and asked for, TLS, and nobody else's pages."""

import asyncio
import contextlib
import datetime as dt
import http.client
import ipaddress
import json
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest

from herocloud.model.errors import Refused
from herocloud.rpc.client import AsyncClient, Client, NoDaemon, NotLetIn
from herocloud.rpc.daemon import daemon_process
from herocloud.rpc.wire import tcp, wrong_tokens

TOKEN = "0123456789abcdef0123456789abcdef"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


@pytest.fixture
def served(start: Any, tmp_path: Path) -> Any:
    token = tmp_path / "token"
    token.touch(mode=0o600)
    token.write_text(TOKEN + "\n", encoding="utf-8")
    daemon = start(tcp=tcp.Tcp("127.0.0.1", free_port(), token))
    daemon.port = daemon.service.settings.tcp.port
    return daemon


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Sign a certificate for the loopback with its own key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "herocloud")])
    now = dt.datetime.now(dt.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(private, hashes.SHA256())
    )
    certificate, key = folder / "tls.crt", folder / "tls.key"
    certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    key.touch(mode=0o600)
    form = serialization.PrivateFormat.PKCS8
    key.write_bytes(private.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    return certificate, key


@pytest.fixture
def encrypted(start: Any, tmp_path: Path) -> Any:
    token = tmp_path / "token"
    token.touch(mode=0o600)
    token.write_text(TOKEN, encoding="utf-8")
    certificate, key = make_certificate(tmp_path)
    daemon = start(tcp=tcp.Tcp("127.0.0.1", free_port(), token, certificate, key))
    daemon.port = daemon.service.settings.tcp.port
    daemon.trust = ssl.create_default_context(cafile=str(certificate))
    return daemon


def post_encrypted(daemon: Any, authorization: str | None) -> tuple[int, dict[str, Any]]:
    connection = http.client.HTTPSConnection("127.0.0.1", daemon.port, timeout=30, context=daemon.trust)
    try:
        body = json.dumps({"jsonrpc": "2.0", "id": 7, "method": "rpc.health"})
        connection.request("POST", "/rpc", body, {} if authorization is None else {"authorization": authorization})
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def test_calls_go_through_tls_with_a_certificate_that_the_client_verifies(encrypted: Any) -> None:
    status, answer = post_encrypted(encrypted, f"Bearer {TOKEN}")
    assert (status, answer["id"], answer["result"]["ready"]) == (200, 7, True)
    assert post_encrypted(encrypted, None)[0] == 401
    assert post_encrypted(encrypted, "Bearer wrong")[0] == 401


def test_a_client_that_does_not_know_the_certificate_refuses_it(encrypted: Any) -> None:
    encrypted.trust = ssl.create_default_context()
    with pytest.raises(ssl.SSLCertVerificationError):
        post_encrypted(encrypted, f"Bearer {TOKEN}")


def test_nothing_is_answered_in_the_clear_where_there_is_tls(encrypted: Any) -> None:
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        ask(encrypted, authorization=f"Bearer {TOKEN}")


def test_protocols_before_tls_1_2_are_not_spoken(encrypted: Any) -> None:
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    with pytest.warns(DeprecationWarning, match="TLSVersion"):
        old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    encrypted.trust = old
    with pytest.raises(ssl.SSLError):
        post_encrypted(encrypted, f"Bearer {TOKEN}")


def test_the_client_calls_and_streams_over_tcp_with_token_and_tls(encrypted: Any) -> None:
    where = f"https://127.0.0.1:{encrypted.port}"
    with Client(where, token=TOKEN, tls=encrypted.trust) as client:
        job = client.wait(client.deploy_vm("web", "s1", "tiny"))
        assert next(client.stream_events(1))["job_id"] == job["job_id"]

    async def walk() -> str:
        async with AsyncClient(where, token=TOKEN, tls=encrypted.trust) as client:
            async with contextlib.aclosing(client.stream_events(1)) as events:
                async for event in events:
                    assert event["seq"] == 1
                    break
            return (await client.get_vm(job["sid"] or ""))["name"]

    assert asyncio.run(walk()) == "web"
    with Client(where, token=TOKEN) as client, pytest.raises(NoDaemon, match="certificate"):
        client.node_status()


def test_the_client_without_the_token_is_told_so(served: Any) -> None:
    where = f"http://127.0.0.1:{served.port}"
    with Client(where, token="wrong") as client:
        with pytest.raises(NotLetIn, match="token"):
            client.node_status()
        with pytest.raises(NotLetIn, match="token"):
            next(client.stream_events())
    with Client(where, token=TOKEN) as client:
        assert client.node_status()["slices_in_use"] == 0
    with pytest.raises(ValueError, match="token"):
        Client(where)
    with pytest.raises(ValueError, match="not an address"):
        Client("https://", token=TOKEN)


def ask(daemon: Any, **headers: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=30)
    try:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request("GET", "/health", headers=given)
        return connection.getresponse().status
    finally:
        connection.close()


def test_only_the_token_opens_it(served: Any) -> None:
    assert ask(served) == 401
    assert ask(served, authorization="Bearer wrong") == 401
    assert ask(served, authorization=f"Basic {TOKEN}") == 401
    assert ask(served, authorization=f"Bearer {TOKEN}") == 200
    assert served.call("rpc.health")["ready"]


def test_pages_of_another_origin_and_other_names_are_refused(served: Any) -> None:
    good = {"authorization": f"Bearer {TOKEN}"}
    assert ask(served, origin="https://evil.example", **good) == 403
    assert ask(served, host="evil.example", **good) == 421
    assert ask(served, origin=f"http://127.0.0.1:{served.port}", **good) == 200


@pytest.mark.parametrize("address", ["0.0.0.0", "127.0.0.1", "localhost"])  # noqa: S104  (with TLS and a token)
def test_callers_come_by_the_address_that_they_reach(start: Any, tmp_path: Path, address: str) -> None:
    token = tmp_path / "token"
    token.touch(mode=0o600)
    token.write_text(TOKEN, encoding="utf-8")
    certificate, key = make_certificate(tmp_path)
    daemon = start(tcp=tcp.Tcp(address, free_port(), token, certificate, key))
    port = daemon.service.settings.tcp.port
    daemon.port, daemon.trust = port, ssl.create_default_context(cafile=str(certificate))
    with Client(f"https://127.0.0.1:{port}", token=TOKEN, tls=daemon.trust) as client:
        assert client.rpc_health()["ready"]
    statuses = [
        status_by(daemon, host) for host in (f"127.0.0.1:{port}", f"LocalHost:{port}", f"127.0.0.1:{port + 1}", f"evil.example:{port}")
    ]
    assert statuses == [200, 200, 421, 421]


def status_by(daemon: Any, host: str) -> int:
    connection = http.client.HTTPSConnection("127.0.0.1", daemon.port, timeout=30, context=daemon.trust)
    try:
        connection.request("GET", "/health", headers={"host": host, "authorization": f"Bearer {TOKEN}"})
        return connection.getresponse().status
    finally:
        connection.close()


def test_the_usual_port_may_be_left_out() -> None:
    plain = tcp.Tcp("192.0.2.7", 80, Path("token"))
    encrypted = plain._replace(port=443, certificate=Path("tls.crt"), key=Path("tls.key"))
    assert tcp.hosts(plain, "192.0.2.7") == {"192.0.2.7", "192.0.2.7:80"}
    assert tcp.hosts(encrypted, "192.0.2.7") == {"192.0.2.7", "192.0.2.7:443"}
    assert tcp.hosts(encrypted._replace(port=80), "192.0.2.7") == {"192.0.2.7:80"}
    assert tcp.hosts(encrypted._replace(address="::", port=8443), "fe80::1%eth0") == {"[::]:8443", "[fe80::1]:8443"}


def test_who_guesses_tokens_has_to_wait_and_the_owner_of_the_token_does_not(served: Any) -> None:
    assert [ask(served, authorization="Bearer no") for _ in range(wrong_tokens.MOST)] == [401] * wrong_tokens.MOST
    assert ask(served, authorization="Bearer no") == 429
    assert ask(served, authorization=f"Bearer {TOKEN}") == 200
    assert ask(served, authorization="Bearer no") == 429
    assert served.call("rpc.health")["ready"]


def test_wrong_tokens_count_per_peer_and_for_a_minute() -> None:
    now = [0.0]
    table = wrong_tokens.WrongTokens(lambda: now[0])
    assert not any(table.is_too_many("192.0.2.1") for _ in range(wrong_tokens.MOST))
    assert table.is_too_many("192.0.2.1")
    assert not table.is_too_many("192.0.2.2")
    now[0] = wrong_tokens.SECONDS
    assert not table.is_too_many("192.0.2.1")
    for number in range(5000):
        table.is_too_many(f"peer {number}")
    assert len(table._peers) <= 1024


@pytest.mark.parametrize(
    ("content", "mode", "code"),
    [(TOKEN, 0o644, "token-open"), (TOKEN, 0o640, "token-open"), ("short", 0o600, "token-short"), ("", 0o600, "token-short")],
)
def test_a_token_that_is_open_or_short_is_refused(tmp_path: Path, content: str, mode: int, code: str) -> None:
    path = tmp_path / "token"
    path.write_text(content, encoding="utf-8")
    path.chmod(mode)
    with pytest.raises(Refused) as caught:
        daemon_process.read_listener("127.0.0.1:1", path, None, None)
    assert caught.value.diagnostics[0].code == code


@pytest.mark.parametrize("address", ["0.0.0.0:8443", "[::]:8443", "192.0.2.7:8443", "[fd00::7]:8443"])
def test_an_address_that_others_reach_wants_tls(tmp_path: Path, address: str) -> None:
    token = tmp_path / "token"
    token.write_text("t" * 32)
    token.chmod(0o600)
    with pytest.raises(Refused, match="TLS"):
        daemon_process.read_listener(address, token, None, None)


@pytest.mark.parametrize("address", ["127.0.0.1:8443", "127.9.9.9:8443", "[::1]:8443", "localhost:8443"])
def test_the_loopback_needs_no_tls(tmp_path: Path, address: str) -> None:
    token = tmp_path / "token"
    token.write_text("t" * 32)
    token.chmod(0o600)
    assert daemon_process.read_listener(address, token, None, None) is not None


def test_without_a_token_file_there_is_no_listener() -> None:
    with pytest.raises(Refused) as caught:
        daemon_process.read_listener("127.0.0.1:8443", None, None, None)
    assert caught.value.diagnostics[0].code == "no-token"
    assert daemon_process.read_listener(None, None, None, None) is None


@pytest.mark.parametrize("flag", ["--token-file", "--tls-certificate", "--tls-key"])
def test_files_for_callers_over_tcp_are_refused_where_nothing_listens_for_them(herocloud: Any, tmp_path: Path, flag: str) -> None:
    # No socket has so long a name, so that it ends at once in any case.
    ran = herocloud("daemon", "run", "--socket", str(tmp_path / ("x" * 200)), flag, str(tmp_path / "file"))
    assert ran.code == 64
    assert flag in ran.err
    assert "--listen" in ran.err


@pytest.mark.parametrize("words", [("--boot-only", "--detach"), ("--shutdown-only", "--boot-only")])
def test_a_run_that_does_one_thing_and_ends_takes_no_flag_of_one_that_stays(herocloud: Any, words: tuple[str, ...]) -> None:
    ran = herocloud("daemon", "run", *words)
    assert ran.code == 64
    assert "does one thing and ends" in ran.err


def test_a_certificate_without_its_key_is_refused_before_anything_starts(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.touch(mode=0o600)
    token.write_text(TOKEN, encoding="utf-8")
    (tmp_path / "other").mkdir()
    certificate, key = make_certificate(tmp_path)
    _, foreign = make_certificate(tmp_path / "other")

    def code(certificate: Path | None, key: Path | None) -> str:
        with pytest.raises(Refused) as caught:
            daemon_process.read_listener("127.0.0.1:8443", token, certificate, key)
        return caught.value.diagnostics[0].code

    assert code(certificate, None) == code(None, key) == "tls-incomplete"
    assert code(certificate, foreign) == code(token, token) == code(tmp_path / "nothing", key) == "tls-unusable"
    key.chmod(0o644)
    assert code(certificate, key) == "tls-key-open"
