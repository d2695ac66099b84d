"""The listener over TCP: a token that is kept, compared and asked for, and nobody else's pages."""

import http.client
import socket
from pathlib import Path
from typing import Any

import pytest

from herocloud.model.errors import Refused
from herocloud.rpc import daemon_process, endpoints, tcp

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


def test_after_many_wrong_tokens_nobody_is_served_for_a_while(served: Any) -> None:
    assert [ask(served, authorization="Bearer no") for _ in range(endpoints.FAILURES)] == [401] * endpoints.FAILURES
    assert ask(served, authorization=f"Bearer {TOKEN}") == 429
    assert served.call("rpc.health")["ready"]


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


def test_without_a_token_file_there_is_no_listener() -> None:
    with pytest.raises(Refused) as caught:
        daemon_process.read_listener("127.0.0.1:8443", None, None, None)
    assert caught.value.diagnostics[0].code == "no-token"
    assert daemon_process.read_listener(None, None, None, None) is None
