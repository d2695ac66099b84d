"""The page `Your first provider` shows the provider that the tests run, whole and in its order."""

import re
from pathlib import Path

CODE = Path(__file__).parent / "first_provider" / "dictionary" / "__init__.py"


def test_the_blocks_of_the_page_are_the_provider(repository: Path) -> None:
    page = (repository / "docs" / "first-provider.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert "\n\n\n".join(block.strip("\n") for block in blocks) == CODE.read_text(encoding="utf-8").strip("\n")
