"""The page on the host file names every key that is read, and no other."""

import re
from pathlib import Path

from herocloud.host import hostfile_schema

PAGE = Path(__file__).parents[2] / "docs" / "host-file.md"


def _documented() -> set[str]:
    rows = [line.split("|")[1] for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    return {name for row in rows for name in re.findall(r"`([a-z_.]+)(?:<flag>)?`", row)}


def _read() -> set[str]:
    names = set()
    for key, value in hostfile_schema.SHAPE.items():
        if key == hostfile_schema.SETTINGS:
            names.add("settings.")
        elif callable(value):
            names.add(key)
        else:
            names |= {f"{key}.{inner}" for inner in value}
    return names


def test_every_key_is_on_the_page_and_no_other() -> None:
    assert _documented() == _read()


def test_the_examples_are_read_without_a_finding() -> None:
    from herocloud.host import hostfile_reader

    blocks = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        assert not hostfile_reader.parse(block, "host.yaml").diagnostics
