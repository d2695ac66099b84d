"""Releases are read from what the program says, and what speaks against one is said."""

import pytest

from herocloud.providers.cloud_hypervisor import releases
from herocloud.providers.cloud_hypervisor.releases import Release


@pytest.mark.parametrize(
    ("text", "release"),
    [
        ("53.0.0", Release(53)),
        ("cloud-hypervisor v51.1", Release(51, 1)),
        ("v53.0-246-gae44c29-dirty", Release(53)),
        ("cloud-hypervisor (unknown)", Release(0)),
    ],
)
def test_a_release_is_read(text: str, release: Release) -> None:
    assert releases.parse(text) == release


@pytest.mark.parametrize(
    ("major", "words"),
    [(49, ["CVE-2026-27211", "CVE-2026-45782", "older"]), (51, ["CVE-2026-45782"]), (53, []), (60, ["newer"]), (0, ["is unknown"])],
)
def test_what_speaks_against_a_release_is_said(major: int, words: list[str]) -> None:
    said = releases.doubts(Release(major))
    assert len(said) == len(words)
    assert all(word in text for word, text in zip(words, said, strict=True))
