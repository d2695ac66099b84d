"""The programs of the host that building a Debian image takes: where they are looked for, and what to install when one is missing."""

import os
import shutil
from collections.abc import Sequence
from typing import NamedTuple

from herocloud.model.errors import Permanent


class Program(NamedTuple):
    """A program, and the Debian package that has it."""

    name: str
    package: str


BOOTSTRAP = Program("mmdebstrap", "mmdebstrap")
TAR = Program("tar", "tar")
EXT4 = Program("mkfs.ext4", "e2fsprogs")
PARTITIONS = Program("sfdisk", "fdisk")
FORMAT = Program("mformat", "mtools")
COPY = Program("mcopy", "mtools")
MAKE_FOLDER = Program("mmd", "mtools")
UNSHARE = Program("unshare", "util-linux")
NEW_UIDS = Program("newuidmap", "uidmap")


def path() -> str:
    """Return the PATH to look in. An ordinary user's often lacks the folders where programs for file systems live."""
    given = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return os.pathsep.join([*given, *(folder for folder in ("/usr/sbin", "/sbin") if folder not in given)])


def missing(wanted: Sequence[Program]) -> list[Program]:
    """Return those that are not there."""
    return [program for program in wanted if shutil.which(program.name, path=path()) is None]


def need(*wanted: Program) -> None:
    """Refuse, naming all that is missing at once and the one command that brings it."""
    lacking = missing(wanted)
    if lacking:
        names = ", ".join(f"`{program.name}`" for program in lacking)
        packages = " ".join(dict.fromkeys(program.package for program in lacking))
        raise Permanent(
            f"building a Debian image needs {names}: run `apt-get install {packages}` as root, on a Debian or a system made from it"
        )


def as_root() -> list[str]:
    """Return what a command begins with to work on files of many owners: nothing for root, else a user namespace with subordinate ids."""
    if os.geteuid() == 0:
        return []
    need(UNSHARE, NEW_UIDS)
    return ["unshare", "--user", "--map-root-user", "--map-auto", "--"]
