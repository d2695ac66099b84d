"""What a snapshot is on the disk: the configuration, the state of the devices, and the memory, which is sparse here and says whose it is.

The program makes each of the three files and never replaces one; it reads them in the same order.
"""

import json
import os
from typing import Any

import landlock
from refusals import Refusal

Json = Any
_MEMORY = "memory-ranges"
_WORD = b"memory of a guest "


def folder_of(url: str, *words: str) -> str:
    """Return the folder that is named, which has to be there."""
    if not url.startswith("file://"):
        raise Refusal(*words, "Failed to send migratable component snapshot", f"Could not extract path from URL: {url}")
    folder = url.removeprefix("file://")
    if not os.path.isdir(folder):
        raise Refusal(*words, "Failed to send migratable component snapshot", f'Destination is not a directory: "{folder}"')
    return folder


def write(url: str, config: Json, machine: Any) -> None:
    """Write all three."""
    folder = folder_of(url, "Cannot send VM snapshot")
    size = config["memory"]["size"] + machine.plugged
    _make(folder, "config.json", "Error creating VM config snapshot file", json.dumps(config).encode())
    state = {"size": size, "tree": machine.tree, "plugged": machine.plugged, "given_back": machine.given_back}
    _make(folder, "state.json", "Error creating VM state snapshot file", json.dumps(state).encode())
    path = os.path.join(folder, _MEMORY)
    _make(folder, _MEMORY, f'Error creating memory snapshot file "{path}"', _WORD + str(size).encode(), size)


def read(folder: str, name: str, what: str) -> Json:
    """Read one of the first two."""
    path = os.path.join(folder, name)
    try:
        with open(path, "rb") as stream:
            return json.loads(stream.read())
    except OSError as error:
        words = f'Error opening {what} snapshot file "{path}"'
        raise Refusal("Cannot restore VM", "Failed to receive migratable component snapshot", words, _words(error)) from error
    except ValueError as error:
        words = f"Error deserialising {what} snapshot"
        raise Refusal("Cannot restore VM", "Failed to receive migratable component snapshot", words, str(error)) from error


def fill(folder: str, state: Json) -> None:
    """Read the memory, all of which has to be there."""
    try:
        with open(os.path.join(folder, _MEMORY), "rb") as stream:
            said, size = stream.read(64).rstrip(b"\0"), stream.seek(0, 2)
    except OSError as error:
        raise Refusal("Memory manager error", "Error opening snapshot file", _words(error)) from error
    if size != state["size"] or said != _WORD + str(size).encode():
        raise Refusal("Memory manager error", "Error reading from snapshot file", "read_volatile_from returned 0 inside data extent")


def _make(folder: str, name: str, words: str, content: bytes, size: int | None = None) -> None:
    try:
        landlock.require(folder, "w")
        with open(os.path.join(folder, name), "xb") as stream:
            stream.write(content)
            if size is not None:
                stream.truncate(size)
    except OSError as error:
        chain = ("Cannot send VM snapshot", "Failed to send migratable component snapshot", words, _words(error))
        raise Refusal(*chain) from error


def _words(error: OSError) -> str:
    return f"{error.strerror} (os error {error.errno})"
