"""Findings of the planner get the line that they are about."""

import pytest

from herocloud.model.diagnostics import Diagnostic, Place
from herocloud.stack import load as stacks
from herocloud.stack import places

_TEXT = "stack: a\nimages: {tiny: {kernel: ./vmlinuz}}\nvms:\n  web:\n    image: tiny\n    count: 2\n"


@pytest.fixture
def located(folder):
    (folder / "stack.yaml").write_text(_TEXT)
    (folder / "more.yaml").write_text("stack: a\nvolumes:\n  data: {size: 1 GiB}\n")
    return lambda *found: places.locate(found, ["stack.yaml", "more.yaml", "gone.yaml"])


@pytest.mark.parametrize(
    ("address", "file", "line"),
    [("vm.web[1]", "stack.yaml", 4), ("vm.web", "stack.yaml", 4), ("image.tiny", "stack.yaml", 2), ("volume.data", "more.yaml", 3)],
)
def test_an_address_leads_to_the_key_of_its_resource(located, address, file, line) -> None:
    (found,) = located(Diagnostic("x", "x", "x", address=address))
    assert (found.place.file, found.place.line) == (file, line)
    assert found.snippet[found.place.column - 1 : found.place.end_column - 1] == address.split(".")[1].split("[")[0]


@pytest.mark.parametrize("address", [None, "vm.gone", "peer.tcp://192.0.2.1:1", "mycelium.node", "nonsense"])
def test_what_no_file_tells_comes_back_as_it_was(located, address) -> None:
    found = Diagnostic("x", "x", "x", address=address)
    assert located(found) == (found,)


def test_a_place_without_its_line_gets_it(located) -> None:
    found = Diagnostic("x", "x", "x", place=Place("more.yaml", 2, 1, 2, 8))
    assert located(found)[0].snippet == "volumes:"


def test_the_places_of_a_load_are_those_that_are_found_later(folder, making, located) -> None:
    loaded = stacks.load(["stack.yaml"], host=making.host())
    for resource in loaded.desired.resources:
        assert located(Diagnostic("x", "x", "x", address=resource.address))[0].place == resource.place
