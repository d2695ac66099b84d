"""The root file system of a Debian, made from packages by mmdebstrap into one tar archive, without booting or mounting anything.

mmdebstrap rather than debootstrap: it resolves dependencies as apt does, also in the security archive, works for root as well as for an
ordinary user with subordinate ids, tidies up what differs between two runs, and takes about half the time. The result is an archive
rather than a folder, because only in an archive can an ordinary user keep files that belong to root.
"""

import io
import os
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from herocloud.kits import subprocesses
from herocloud.kits.subprocesses import CommandError
from herocloud.model.errors import Permanent
from herocloud.providers.images.builds import debian_programs as programs
from herocloud.providers.images.builds.archives import Member

EPOCH = 1_686_355_200
"""The time that everything newer in the archive gets: 10 June 2023, when Debian 12 came out. Any fixed one would do."""

_TIDY = """
rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/archives/* "$1"/var/cache/apt/*.bin
rm -f "$1/etc/apt/apt.conf.d/99mmdebstrap" "$1/etc/dpkg/dpkg.cfg.d/99mmdebstrap" "$1/etc/hostname"
[ -L "$1/etc/resolv.conf" ] || : >"$1/etc/resolv.conf"
"""
"""What was only there for the making: lists and packages of apt (whose folders otherwise belong to somebody else when an ordinary user
builds), the settings of apt and dpkg that keep it small, and names and resolvers of this machine."""
_MINUTES = 30
_LEFT_OUT = ("/usr/share/man/*", "/usr/share/doc/*", "/usr/share/locale/*", "/usr/share/info/*")
_KEPT = ("/usr/share/doc/*/copyright",)


class Recipe(NamedTuple):
    """What a root file system is made of; equal recipes and equal packages give equal archives."""

    release: str
    packages: tuple[str, ...]
    files: tuple[Member, ...]
    """What comes over the packages' own files when all of them are installed."""
    commands: tuple[str, ...] = ()
    """Shell lines that run inside at the end."""


def make(recipe: Recipe, archive: Path, work: Path) -> None:
    """Make the root file system into `archive`. `work` is a folder for what is needed on the way; it may hold what a killed run left."""
    programs.need(programs.BOOTSTRAP)
    work.mkdir(parents=True, exist_ok=True)
    overlay = work / "overlay.tar"
    overlay.write_bytes(_tar(recipe.files))
    command = ["mmdebstrap", "--variant=minbase", "--format=tar", "--aptopt=Apt::Install-Recommends false"]
    command += [f"--dpkgopt=path-exclude={pattern}" for pattern in _LEFT_OUT]
    command += [f"--dpkgopt=path-include={pattern}" for pattern in _KEPT]
    command += [f"--include={','.join(recipe.packages)}", f"--customize-hook=tar-in {_quoted(overlay)} /"]
    command += [f'--customize-hook=chroot "$1" sh -ec {_quoted(line)}' for line in recipe.commands]
    command += ["--skip=cleanup/apt", f"--customize-hook={_TIDY}"]
    command += [recipe.release, str(archive), *sources(recipe.release)]
    environment = {
        **os.environ,
        "LC_ALL": "C.UTF-8",
        "SOURCE_DATE_EPOCH": str(EPOCH),
        "TMPDIR": str(work),
        "DEBIAN_FRONTEND": "noninteractive",
    }
    environment["PATH"] = programs.path()
    try:
        subprocesses.run(command, timeout=_MINUTES * 60, environment=environment)
    except CommandError as error:
        raise Permanent(f"mmdebstrap could not make a Debian {recipe.release}: {_end(error)}") from error


def sources(release: str) -> list[str]:
    """Return the lines of sources from which this machine itself gets this release; none when it gets another, then mmdebstrap knows one.

    A mirror near by that was set up is used here too. What does not come from Debian is left out: an image gets no packages that
    nobody asked for.
    """
    keys = ("REPO_URI", "RELEASE", "COMPONENT", "ORIGIN")
    wanted = "\t".join(f"$({key})" for key in keys)
    try:
        said = subprocesses.run(["apt-get", "indextargets", "--format", wanted, "Created-By: Packages"], timeout=60).stdout
    except CommandError:
        return []
    found: dict[tuple[str, str], list[str]] = {}
    for line in said.splitlines():
        words = line.split("\t")
        if len(words) == len(keys) and words[3] == "Debian" and words[1] in (release, f"{release}-updates", f"{release}-security"):
            components = found.setdefault((words[0], words[1]), [])
            if words[2] not in components:
                components.append(words[2])
    if not any(suite == release for _, suite in found):
        return []
    return [f"deb {uri} {suite} {' '.join(components)}" for (uri, suite), components in found.items()]


def read(archive: Path, *starts: str) -> dict[str, bytes]:
    """Return the plain files whose path begins with one of these, by path, in one pass through the archive."""
    files: dict[str, bytes] = {}
    with tarfile.open(archive, "r|") as stream:
        for member in stream:
            name = member.name.removeprefix("./")
            if member.isfile() and name.startswith(starts):
                content = stream.extractfile(member)
                files[name] = content.read() if content is not None else b""
    return files


def installed(archive: Path) -> dict[str, str]:
    """Return the versions of the packages that are inside."""
    status = read(archive, "var/lib/dpkg/status").get("var/lib/dpkg/status", b"").decode()
    versions: dict[str, str] = {}
    for paragraph in status.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in paragraph.splitlines() if ": " in line and not line.startswith(" "))
        if "Package" in fields and fields.get("Status", "").endswith(" installed"):
            versions[fields["Package"]] = fields.get("Version", "")
    return versions


def _tar(members: Iterable[Member]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as stream:
        for member in members:
            stream.addfile(_entry(member), io.BytesIO(member.content))
    return out.getvalue()


def _entry(member: Member) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(f"./{member.name}")
    entry.mtime, entry.mode = EPOCH, member.mode & 0o7777
    kind = member.mode & 0o170000
    if kind == 0o120000:
        entry.type, entry.linkname = tarfile.SYMTYPE, member.content.decode()
    elif kind == 0o040000:
        entry.type = tarfile.DIRTYPE
    else:
        entry.size = len(member.content)
    return entry


def _quoted(text: str | Path) -> str:
    return "'" + str(text).replace("'", "'\\''") + "'"


def _end(error: CommandError) -> str:
    """Return the lines that say what went wrong; what went well before them is long."""
    if error.returncode is None:
        return error.stderr.strip()
    lines = [line for line in error.stderr.splitlines() if line.startswith(("E:", "W:", "dpkg:"))]
    return "; ".join(lines[-4:]) or error.stderr.strip()[-500:]
