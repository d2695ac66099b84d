"""The plans of the views' tests, and a reader of pages that knows which tags are open."""

import re
from collections.abc import Callable
from html.parser import HTMLParser
from types import ModuleType

import pytest

from tests.views import plans as example_plans

_VOID = {"meta", "br", "link", "img", "hr", "input"}


@pytest.fixture(scope="session")
def plans() -> ModuleType:
    """Return the module with the example plans."""
    return example_plans


class Page(HTMLParser):
    """A page, read: its text, its tags, and whether they nest."""

    def __init__(self, source: str) -> None:
        """Read the source at once."""
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.words: list[str] = []
        self.feed(source)
        self.close()

    @property
    def text(self) -> str:
        """Return what a reader sees, without the style sheet."""
        return " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an opening tag."""
        self.tags.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag that closes itself."""
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        """Note a closing tag; one that closes something else is wrong."""
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)

    def handle_data(self, data: str) -> None:
        """Collect the text."""
        if "style" not in self.open:
            self.words.append(data)


@pytest.fixture
def read() -> Callable[[str], Page]:
    """Return a function that reads a page and asserts that its tags nest."""

    def parse(source: str) -> Page:
        page = Page(source)
        assert not page.wrong
        assert not page.open
        return page

    return parse


@pytest.fixture
def bare() -> Callable[[str], str]:
    """Return a function that takes the style sheet and its hash out of a page, which would bury what a snapshot shows."""

    def strip(source: str) -> str:
        source = re.sub(r"<style>.*?</style>", "<style></style>", source, flags=re.DOTALL)
        return re.sub(r"sha256-[A-Za-z0-9+/=]+", "sha256-<digest>", source)

    return strip
