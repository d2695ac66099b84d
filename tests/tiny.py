"""The tiny guest for every test that boots one: built once on a machine, and again when something that goes into it has changed.

A plugin rather than a fixture of one folder, because tests of images, hypervisors and guests need the same one. What it returns is
`Built(kernel, initramfs, release)`.
"""

import shutil

import pytest

from herocloud.kits import caches
from herocloud.model.errors import HerocloudError
from herocloud.providers.images.builds import tiny

# Asked for when the tests are collected: while they run, every test has a cache folder of its own.
CACHE = caches.cache_folder()


@pytest.fixture(scope="session")
def tiny_image() -> tiny.Built:
    """Return the tiny image, or skip where Debian's packages cannot be had."""
    for program, package in (("dpkg-deb", "dpkg"), ("apt-get", "apt")):
        if shutil.which(program) is None:
            pytest.skip(f"needs {program} (package {package}) to build the tiny guest")
    try:
        return tiny.ensure(CACHE)
    except (HerocloudError, OSError) as error:
        pytest.skip(f"needs Debian's packages of busybox and the kernel for the tiny guest: {error}")
