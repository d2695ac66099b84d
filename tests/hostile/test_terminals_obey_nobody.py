"""Words of guests, servers, files and logs reach a terminal as text: they rename no window, move no cursor and type nothing."""

import base64
import json
import re
import socketserver
import threading
from collections.abc import Iterator
from typing import Any

import pytest

pytestmark = pytest.mark.world

EVIL = "\x1b]0;PWNED\x07\x1b[2J\x1b[31m\x9b5n\u202e\x08\x1b[3Agone"
COLOR = re.compile(rb"\x1b\[\d+m")


def obeyed(heard: bytes) -> set[bytes]:
    """Return what in the bytes on a terminal it would have acted on: all control characters besides tabs, line feeds and colors."""
    text = COLOR.sub(b"", heard).decode(errors="replace").replace("\r\n", "\n")
    return {
        letter.encode() for letter in text if (ord(letter) < 32 and letter not in "\t\n") or 127 <= ord(letter) < 160 or letter == "\u202e"
    }


@pytest.fixture
def server() -> Iterator[str]:
    """Run a server whose reason for refusing is made for terminals."""

    class Answer(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while self.rfile.readline().strip():
                pass
            self.wfile.write(b"HTTP/1.1 404 \x1b]0;PWNED\x07 gone\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Answer) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()


def test_a_refusal_of_a_guest(shop: Any, wild: Any, terminal: Any) -> None:
    wild.lines = {
        "guest-info": b'{"return": {"version": "1", "supported_commands": []}}',
        "guest-exec": json.dumps({"error": {"class": EVIL, "desc": EVIL}}).encode(),
    }
    heard = terminal("vm", "exec", "a", "--no-stdin", "--", "true", NO_COLOR="", TERM="xterm")
    assert b"gone" in heard
    assert obeyed(heard) == set(), heard


def test_what_a_program_in_a_guest_prints(shop: Any, wild: Any, terminal: Any) -> None:
    status = {"exited": True, "exitcode": 0, "out-data": base64.b64encode(EVIL.encode()).decode()}
    wild.lines = {
        "guest-info": b'{"return": {"version": "1", "supported_commands": []}}',
        "guest-exec": b'{"return": {"pid": 1}}',
        "guest-exec-status": json.dumps({"return": status}).encode(),
    }
    heard = terminal("vm", "exec", "a", "--no-stdin", "--", "true")
    assert b"gone" in heard
    assert obeyed(heard) == set(), heard


def test_what_a_program_in_a_guest_prints_reaches_a_pipe_byte_by_byte(shop: Any, wild: Any) -> None:
    status = {"exited": True, "exitcode": 0, "out-data": base64.b64encode(EVIL.encode()).decode()}
    wild.lines = {
        "guest-info": b'{"return": {"version": "1", "supported_commands": []}}',
        "guest-exec": b'{"return": {"pid": 1}}',
        "guest-exec-status": json.dumps({"return": status}).encode(),
    }
    assert shop.done("vm", "exec", "a", "--no-stdin", "--", "true").out == EVIL


def test_the_words_of_a_server(herocloud: Any, terminal: Any, server: str) -> None:
    (herocloud.data_folder / "host.yaml").unlink()
    herocloud.write(f"stack: s\nimages:\n  i: {{source: '{server}/x.raw', unpinned: true, format: raw}}\n")
    heard = terminal("image", "pull", "i", NO_COLOR="", TERM="xterm")
    assert b"404" in heard
    assert obeyed(re.sub(rb"\r|\x1b\[K", b"", heard)) == set(), heard


@pytest.mark.parametrize("command", [("validate",), ("plan",), ("fmt", "--diff"), ("plan", "--json")], ids=" ".join)
def test_the_name_of_a_file(herocloud: Any, terminal: Any, command: tuple[str, ...]) -> None:
    name = "a\x1b]0;PWNED\x07\x9bm\u202e.yaml"
    herocloud.write("stack: s\nwrong:   {}\n", name)
    heard = terminal(*command, "-f", name)
    assert b"PWNED" in heard
    assert obeyed(heard) == set(), heard


def test_the_name_of_a_file_that_is_not_there(herocloud: Any, terminal: Any) -> None:
    heard = terminal("apply", "-y", "no\x1b[2J\r.hcplan")
    assert obeyed(heard) == set(), heard


def test_a_word_on_the_command_line(herocloud: Any, terminal: Any) -> None:
    for words in (("vm", "show", "a\x1b[2J"), ("plan", "--wr\x1b[2Jong"), ("a\x1b]0;x\x07",)):
        heard = terminal(*words)
        assert heard
        assert obeyed(heard) == set(), heard


def test_the_log_of_a_daemon(herocloud: Any, terminal: Any) -> None:
    log = herocloud.data_folder / "daemon.log"
    log.write_text(f"INFO {EVIL}\n", encoding="utf-8")
    heard = terminal("daemon", "logs")
    assert b"gone" in heard
    assert obeyed(heard) == set(), heard


def test_json_stays_the_same_document_when_it_is_made_visible() -> None:
    from herocloud.kits import terminal_text

    document = {"a": EVIL, "tab": "\t", "both": "é\u2028\x7f"}
    text = json.dumps(document, ensure_ascii=False)
    shown = terminal_text.visible(text)
    assert obeyed(shown.encode()) == set()
    assert json.loads(shown) == document


def test_lines_that_are_redrawn_move_the_cursor_and_nothing_more() -> None:
    from herocloud.kits import terminal_text

    ours = "\x1b[2A\x1b[J\r\x1b[K\x1b[32mdone\x1b[0m"
    assert terminal_text.visible(ours, colors=True, redrawing=True) == ours
    assert "\x1b" not in terminal_text.visible(ours)
    assert terminal_text.visible("\x1b]0;x\x07\x1b[5n", colors=True, redrawing=True) == "\\x1b]0;x\\x07\\x1b[5n"
