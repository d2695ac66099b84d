"""Only the socket that is meant is connected to: a link, a file, or somebody else's socket in its place is refused."""

import os
import socket
from pathlib import Path

import pytest

from herocloud.kits import http, own_sockets


@pytest.fixture
def listener(tmp_path: Path):
    with socket.socket(socket.AF_UNIX) as wire:
        wire.bind(str(tmp_path / "api.sock"))
        wire.listen()
        yield tmp_path / "api.sock"


def _connect(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as wire, own_sockets.held(path) as place:
        wire.connect(place)


def test_the_socket_itself_is_connected_to(listener: Path) -> None:
    _connect(listener)


def test_a_socket_deep_down_is_connected_to_as_well(listener: Path, tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["a-folder-with-a-long-name"] * 8)
    deep.mkdir(parents=True)
    listener.rename(deep / "api.sock")
    _connect(deep / "api.sock")


def test_a_link_to_another_one_is_refused(listener: Path, tmp_path: Path) -> None:
    (tmp_path / "qmp.sock").symlink_to(listener)
    with pytest.raises(OSError, match="not a socket"):
        _connect(tmp_path / "qmp.sock")
    with http.HttpClient("http://localhost", socket=tmp_path / "qmp.sock", keep=False) as client, pytest.raises(http.Unreachable):
        client.request("PUT", "/vm.delete")


def test_nothing_and_a_plain_file_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        _connect(tmp_path / "none.sock")
    (tmp_path / "file.sock").touch()
    with pytest.raises(ConnectionRefusedError):
        _connect(tmp_path / "file.sock")


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_socket_of_somebody_else_is_refused(listener: Path) -> None:
    os.chown(listener, 1234, 1234)
    with pytest.raises(OSError, match="belongs to user 1234"):
        _connect(listener)
