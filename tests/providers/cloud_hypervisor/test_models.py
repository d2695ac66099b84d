"""The models are what the OpenAPI file says, where that is at hand."""

import subprocess
import sys
from pathlib import Path

import pytest

from herocloud.providers.cloud_hypervisor import releases
from herocloud.providers.cloud_hypervisor.releases import Release


def test_the_models_are_as_the_openapi_file_says() -> None:
    root = Path(__file__).resolve().parents[3]
    openapi = root.parent / "shared" / "reference" / "cloud-hypervisor-v53.0.yaml"
    if not openapi.exists():
        pytest.skip("needs the OpenAPI file of Cloud Hypervisor")
    command = [sys.executable, str(root / "scripts" / "cloud-hypervisor-models"), str(openapi), "--check"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


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
