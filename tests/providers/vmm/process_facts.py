"""What /proc says of a process of ours, in lines that are the same on every machine, to be compared with a golden description."""

import os
import re
from pathlib import Path

from herocloud.providers.vmm import folders, users

_HOST = re.compile(r"^/(usr|bin|sbin|lib\w*|nix|gnu|etc|sys|proc)(/|$)")
_KINDS = (("socket:", "socket"), ("pipe:", "pipe"), ("anon_inode:", "event"), ("/memfd:", "memory"))


def describe(pid: int, data: Path, sid: str, host: str = "self") -> list[str]:
    """Describe a process that works for a VM; `host` is a process that sees what the host has."""
    proc = Path(f"/proc/{pid}")
    status = dict(line.split(":\t", 1) for line in (proc / "status").read_text().splitlines() if ":\t" in line)
    own = users.read(data, sid)
    names = {str(own): "own", str(users.shared_group(data, sid)): "shared", "0": "root"}
    lines = [
        f"uid {' '.join(names.get(one, one) for one in status['Uid'].split())}",
        f"gid {' '.join(names.get(one, one) for one in status['Gid'].split())}",
        f"groups {' '.join(names.get(one, one) for one in status['Groups'].split())}".strip(),
        f"capabilities {'none' if all(int(status[f'Cap{kind}'], 16) == 0 for kind in ('Inh', 'Prm', 'Eff', 'Bnd', 'Amb')) else 'some'}",
        f"no new privileges {status['NoNewPrivs']}",
        f"seccomp {status['Seccomp']}",
        f"umask {status['Umask'].strip()}",
        f"cwd {(proc / 'cwd').readlink()}",
        f"root {'its own' if (proc / 'ns/mnt').readlink() != Path(f'/proc/{host}/ns/mnt').readlink() else 'the host'}",
    ]
    lines += sorted(f"environment {word.partition('=')[0]}" for word in (proc / "environ").read_text().split("\0") if word)
    lines += sorted(_groups(proc, f"{folders.runtime_root(data).name}-{sid}"))
    lines += sorted({_mount(line, data, sid) for line in (proc / "mountinfo").read_text().splitlines()})
    lines += sorted({f"open {_file(str(link), data, sid)}" for link in _links(proc / "fd")})
    return lines


def _links(folder: Path) -> list[Path]:
    found = []
    for entry in os.scandir(folder):
        try:
            found.append(Path(entry.path).readlink())
        except FileNotFoundError:
            continue
    return found


def _groups(proc: Path, name: str) -> list[str]:
    lines = [line.split(":", 2) for line in (proc / "cgroup").read_text().splitlines()]
    return [f"group {controllers or 'unified'}" for _, controllers, path in lines if path.endswith(name)]


def _mount(line: str, data: Path, sid: str) -> str:
    fields = line.split()
    place, options = fields[4], set(fields[5].split(","))
    flags = ",".join(one for one in ("ro", "rw", "nosuid", "nodev", "noexec") if one in options)
    if _HOST.match(place):
        return f"sees the host's /{place.split('/')[1]} {flags.replace(',noexec', '')}"
    return f"sees {_file(place, data, sid)} {flags}"


def _file(path: str, data: Path, sid: str) -> str:
    for beginning, name in _KINDS:
        if path.startswith(beginning):
            return name
    return path.replace(str(folders.runtime_folder(data, sid)), "<sockets>").replace(str(data), "<data>")
