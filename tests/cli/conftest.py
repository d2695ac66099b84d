"""A stack that is small and has one of everything, applied or not."""

import os
import pty
import select
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Answer = Callable[..., tuple[int, str]]

SHOP = """\
stack: shop
images:
  debian12: {source: "https://example.org/debian12.qcow2", unpinned: true, format: qcow2}
networks:
  lan: {cidr: 10.42.0.0/24}
volumes:
  data: {size: 20 GiB}
vms:
  web: {count: 2, image: debian12, networks: [lan]}
  db: {image: debian12, vcpus: 2, networks: [lan], volumes: [data]}
outputs:
  front: "{{ vm.web[0].address.lan }}"
"""


@pytest.fixture
def shop(herocloud: Any) -> Path:
    """Write the stack into the working folder."""
    return herocloud.write(SHOP)  # type: ignore[no-any-return]


@pytest.fixture
def applied(herocloud: Any, shop: Path) -> Path:
    """Write the stack and apply it."""
    herocloud.done("apply", "-y", "-q")
    return shop


@pytest.fixture
def edit(shop: Path) -> Callable[[str, str], None]:
    """Return a function that replaces one piece of the stack file."""

    def replace(old: str, new: str) -> None:
        text = shop.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{old!r} is in the stack {text.count(old)} times"
        shop.write_text(text.replace(old, new), encoding="utf-8")

    return replace


@pytest.fixture
def misbehave(herocloud: Any) -> Callable[[str], None]:
    """Return a function that gives the simulator a rule of a scenario."""

    def add(rule: str) -> None:
        (herocloud.data_folder / "scenario.yaml").write_text(f"rules:\n  - {rule}\n", encoding="utf-8")
        with (herocloud.data_folder / "host.yaml").open("a", encoding="utf-8") as file:
            file.write("simulator: {scenario: ./scenario.yaml}\n")

    return add


@pytest.fixture
def answer(herocloud: Any) -> Answer:
    """Return a function that runs a command on a terminal of its own, types answers to its questions, and returns exit code and screen.

    `meanwhile` is done before the first answer is typed; to later questions the answer is `again`.
    """
    try:
        for end in pty.openpty():
            os.close(end)
    except OSError:
        pytest.skip("no pseudo terminal can be had here (is /dev/pts mounted?)")

    def run(*arguments: str, answer: str, again: str = "no\n", meanwhile: Callable[[], object] = lambda: None) -> tuple[int, str]:
        child, terminal = pty.fork()
        if child == 0:
            os.chdir(herocloud.folder)
            # Tests that run in the background inherit an ignored ^C, and a program that is started with one rightly keeps ignoring it.
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.execv(sys.executable, [sys.executable, "-m", "herocloud", *arguments])  # noqa: S606  (a list, and no shell wanted)
        screen, asked = b"", 0
        while True:
            ready, _, _ = select.select([terminal], [], [], 60)
            assert ready, f"nothing more came after: {screen.decode()}"
            try:
                read = os.read(terminal, 65536)
            except OSError:
                break
            if not read:
                break
            screen += read
            while asked < screen.count(b"to continue: ") + screen.count(b"to approve: "):
                asked += 1
                if asked == 1:
                    meanwhile()
                os.write(terminal, (answer if asked == 1 else again).encode())
        _, status = os.waitpid(child, 0)
        os.close(terminal)
        return os.waitstatus_to_exitcode(status), screen.decode()

    return run
