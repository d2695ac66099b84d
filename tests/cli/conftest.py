"""A stack that is small and has one of everything, applied or not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SHOP = """\
stack: shop
images:
  debian12: {source: "https://example.org/debian12.qcow2", unpinned: true, format: qcow2}
networks:
  lan: {cidr: 10.42.0.0/24}
volumes:
  data: {size: 20 GiB}
vms:
  web: {count: 2, image: debian12, networks: [lan]}
  db: {image: debian12, vcpus: 2, networks: [lan], volumes: [data]}
outputs:
  front: "{{ vm.web[0].address.lan }}"
"""


@pytest.fixture
def shop(herocloud: Any) -> Path:
    """Write the stack into the working folder."""
    return herocloud.write(SHOP)  # type: ignore[no-any-return]


@pytest.fixture
def applied(herocloud: Any, shop: Path) -> Path:
    """Write the stack and apply it."""
    herocloud.done("apply", "-y", "-q")
    return shop


@pytest.fixture
def edit(shop: Path) -> Callable[[str, str], None]:
    """Return a function that replaces one piece of the stack file."""

    def replace(old: str, new: str) -> None:
        text = shop.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{old!r} is in the stack {text.count(old)} times"
        shop.write_text(text.replace(old, new), encoding="utf-8")

    return replace


@pytest.fixture
def misbehave(herocloud: Any) -> Callable[[str], None]:
    """Return a function that gives the simulator a rule of a scenario."""

    def add(rule: str) -> None:
        (herocloud.data_folder / "scenario.yaml").write_text(f"rules:\n  - {rule}\n", encoding="utf-8")
        with (herocloud.data_folder / "host.yaml").open("a", encoding="utf-8") as file:
            file.write("simulator: {scenario: ./scenario.yaml}\n")

    return add
