"""What somebody who became the user of a VM can do to what is not this VM's, in its cage and outside of it."""

import json
import subprocess
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from herocloud.providers.vmm import folders, identity, users

_TRY = """
import json, os, signal, socket, sys
wanted = json.loads(sys.argv[1])
got = []
def attempt(what, act):
    try:
        act()
    except (OSError, ValueError) as error:
        return
    got.append(what)
for path in wanted["read"]:
    attempt(f"read {path}", lambda: open(path, "rb").read(1))
    attempt(f"write {path}", lambda: open(path, "r+b"))
for path in wanted["list"]:
    attempt(f"list {path}", lambda: os.listdir(path))
    attempt(f"make a file in {path}", lambda: open(path + "/planted", "x"))
    attempt(f"make a link in {path}", lambda: os.symlink("/etc/passwd", path + "/linked"))
for path in wanted["connect"]:
    attempt(f"connect to {path}", lambda: socket.socket(socket.AF_UNIX).connect(path))
for pid in wanted["signal"]:
    attempt(f"signal {pid}", lambda: os.kill(pid, 0))
    attempt(f"look into {pid}", lambda: open(f"/proc/{pid}/environ", "rb").read(1))
for name in wanted["own"]:
    open(name, "r+b")
attempt("become root", lambda: os.setuid(0))
print(json.dumps(got))
"""


class Target(NamedTuple):
    """A VM `v1` that runs, with a root disk, a volume and a seed."""

    data: Path
    pid: int
    root: Path
    volume: Path


def attempt(one: Target, other: Target, *, inside: bool, lent: Collection[str] = ("serial.log", "process.stop")) -> list[str]:
    """Try everything as the user of `one`; returns what succeeded. `lent` are files of its own that it may open."""
    user = users.of(one.data, "v1")
    words = ["setpriv", f"--reuid={user.uid}", f"--regid={user.gid}", f"--groups={user.shared}", "--no-new-privs"]
    if inside:
        words = ["nsenter", f"--mount=/proc/{one.pid}/ns/mnt", *words]
    wanted = json.dumps(_wanted(one, other, lent, inside=inside))
    ran = subprocess.run([*words, "/usr/bin/python3", "-I", "-c", _TRY, wanted], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    # Names in folders that were made for all to pass are not a secret.
    return [line for line in json.loads(ran.stdout) if line not in (f"list {one.data}", f"list {one.data / 'vms/v1'}")]


def _wanted(one: Target, other: Target, lent: Collection[str], *, inside: bool) -> dict[str, list[str] | list[int]]:
    state = [str(path) for path in other.data.iterdir() if path.is_file()] + [str(path) for path in one.data.iterdir() if path.is_file()]
    machine, mine = folders.machine_folder(other.data, "v1"), folders.machine_folder(one.data, "v1")
    private = [other.root, other.data / "vms/v1/seed.iso", other.volume, *machine.iterdir()]
    private += [path for path in mine.iterdir() if path.name not in lent]
    sockets = list(folders.runtime_folder(other.data, "v1").iterdir())
    assert state
    assert sockets
    keeper = identity.read(mine / "process.keeper")
    assert keeper is not None
    return {
        "read": state + [str(path) for path in private if not path.name.endswith(".stop")],
        "list": [str(one.data), str(mine), str(mine.parent), str(folders.runtime_folder(other.data, "v1")), str(folders.base() / "orders")],
        "connect": [str(path) for path in sockets],
        "signal": [other.pid, keeper.pid, 1],
        # Outside of the cage it may not even get to these.
        "own": [str(one.root), str(one.volume)] if inside else [],
    }
