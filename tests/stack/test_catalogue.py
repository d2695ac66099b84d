"""Images and sizes that the host lends to every stack."""

from pathlib import Path

import pytest

CATALOGUE = """\
images:
  debian12:
    source: https://images.example.org/debian.qcow2
    sha256: 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
    format: qcow2
    aliases: [debian, stable]
  kernel: {kernel: ./vmlinuz-of-the-host, aliases: [tiny]}
  broken: {source: "ftp://nowhere/x", format: qcow3}
sizes:
  small: {vcpus: 1, memory: 1 GiB}
  large: {vcpus: 8, memory: 8 GiB}
defaults: {image: stable}
"""


@pytest.fixture
def lent(folder: Path, load, making):
    """Load a stack on a host with a catalogue."""
    (folder / "host").mkdir()
    (folder / "host" / "vmlinuz-of-the-host").touch()

    def run(text: str, catalogue: str = CATALOGUE):
        path = folder / "host" / "catalogue.yaml"
        path.write_text(catalogue, encoding="utf-8")
        return load(text, host=making.host()._replace(image_catalogue=str(path)))

    return run


def _specs(loaded) -> dict[str, dict]:
    assert loaded.desired is not None, loaded.diagnostics
    return {resource.address: resource.spec for resource in loaded.desired.resources}


def test_what_a_stack_names_becomes_part_of_it_and_nothing_else(lent) -> None:
    specs = _specs(lent("stack: a\nvms: {web: {image: debian, size: small}}"))
    assert list(specs) == ["image.debian12", "vm.web"]
    assert specs["image.debian12"]["aliases"] == ["debian", "stable"]
    assert (specs["vm.web"]["image"], specs["vm.web"]["vcpus"]) == ("debian12", 1)


def test_vms_that_name_no_image_get_that_of_the_host(lent) -> None:
    assert _specs(lent("stack: a\nvms: {web: {}}"))["vm.web"]["image"] == "debian12"
    specs = _specs(lent("stack: a\ndefaults: {image: tiny}\nvms: {web: {}}"))
    assert specs["vm.web"]["image"] == "kernel"
    assert "image.debian12" not in specs


def test_paths_are_seen_from_the_catalogue(lent, folder: Path) -> None:
    specs = _specs(lent("stack: a\nvms: {web: {image: tiny}}"))
    assert specs["image.kernel"]["kernel"] == str(folder / "host" / "vmlinuz-of-the-host")


def test_the_stack_s_own_word_is_nearer(lent) -> None:
    own = "images: {debian: {kernel: ./vmlinuz}}\nsizes: {small: {vcpus: 2}}\n"
    specs = _specs(lent(f"stack: a\n{own}vms: {{web: {{image: debian, size: small}}, db: {{image: debian12}}}}"))
    assert (specs["vm.web"]["image"], specs["vm.web"]["vcpus"]) == ("debian", 2)
    assert specs["vm.db"]["image"] == "debian12"
    assert specs["image.debian12"]["aliases"] == ["stable"]


def test_an_image_that_an_expression_names_is_found(lent) -> None:
    catalogue = CATALOGUE.replace('  broken: {source: "ftp://nowhere/x", format: qcow3}\n', "")
    loaded = lent("stack: a\nvariables: {os: {default: debian}}\nvms: {web: {image: '{{ os }}'}}", catalogue)
    assert _specs(loaded)["vm.web"]["image"] == "debian12"


def test_mistakes_in_what_is_taken_have_the_catalogue_s_lines(lent) -> None:
    loaded = lent("stack: a\nvms: {web: {image: broken}, db: {image: debain12}}")
    told = {(Path(one.place.file).name, one.place.line, one.code) for one in loaded.diagnostics}
    assert ("catalogue.yaml", 8, "bad-choice") in told
    assert any(name == "stack.yaml" and code == "unknown-image" for name, _line, code in told), told


@pytest.mark.parametrize(
    ("catalogue", "line", "code"),
    [
        (CATALOGUE + "vms: {}\n", 13, "unknown-key"),
        ("defaults: {image: x, vcpus: 2}\n", 1, "unknown-key"),
        ("images: [\n", 2, "yaml-syntax"),
        ("- a\n", 1, "yaml-not-a-mapping"),
    ],
)
def test_what_has_no_meaning_in_a_catalogue_is_told(lent, catalogue: str, line: int, code: str) -> None:
    loaded = lent("stack: a\nimages: {x: {kernel: ./vmlinuz}}\nvms: {web: {image: x}}", catalogue)
    assert [(Path(one.place.file).name, one.place.line, one.code) for one in loaded.diagnostics] == [("catalogue.yaml", line, code)]


def test_a_catalogue_that_is_not_there_is_told(load, making, folder: Path) -> None:
    host = making.host()._replace(image_catalogue=str(folder / "none.yaml"))
    (found,) = load("stack: a\nvms: {}", host=host).diagnostics
    assert found.code == "file-missing"
    assert "host.yaml" in found.hint


def test_a_changed_catalogue_is_read_again(lent, folder: Path, making) -> None:
    from herocloud.stack import load as stacks

    lent("stack: a\nvms: {web: {image: debian}}")
    host = making.host()._replace(image_catalogue=str(folder / "host" / "catalogue.yaml"))

    def digest() -> str:
        loaded = stacks.load(["stack.yaml"], host=host)
        return _specs(loaded)["image.debian12"]["sha256"][:1]

    assert digest() == digest() == "0"
    path = folder / "host" / "catalogue.yaml"
    path.write_text(path.read_text().replace("sha256: 0", "sha256: 9"))
    assert digest() == "9"
