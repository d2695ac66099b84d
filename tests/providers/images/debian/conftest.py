"""The Debian image for the tests that boot it: built once on a machine, and again when its recipe has changed."""

import shutil

import pytest

from herocloud.kits import caches
from herocloud.model.errors import HerocloudError
from herocloud.providers.images.builds import debian, packages
from herocloud.providers.images.builds import debian_programs as programs

# Asked for when the tests are collected: while they run, every test has a cache folder of its own.
FOLDER = caches.cache_folder() / "images" / "debian-bookworm"


@pytest.fixture(scope="session")
def debian_image() -> debian.Built:
    """Return the Debian image, or skip where it is not there and cannot be built."""
    if shutil.which("qemu-system-x86_64") is None:
        pytest.skip("needs qemu-system-x86_64 (package qemu-system-x86)")
    lacking = programs.missing(debian.PROGRAMS)
    if not lacking:
        try:
            # Without the archive's lists (in the lab, on a fresh machine) only an image that was built before can be had.
            packages.locate("grub-common")
        except HerocloudError:
            lacking = [programs.Program("the lists of Debian's packages", "by apt-get update")]
    if not lacking:
        return debian.build(FOLDER)
    found = debian.find(FOLDER)
    if found is None:
        pytest.skip(f"needs {', '.join(f'{one.name} ({one.package})' for one in lacking)} to build the Debian image")
    return found
