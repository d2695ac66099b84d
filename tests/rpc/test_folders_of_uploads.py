"""Each stack that a caller sends has a folder of its own, however its text is written: an upload of one spares the others."""

import json
from pathlib import Path

import pytest

from herocloud.rpc.jobs import uploads

FORMS = {
    "json": lambda name: json.dumps({"stack": name}),
    "quoted": lambda name: f'"stack": {name}\n',
    "variable": lambda name: f'variables: {{env: {{default: {name}}}}}\nstack: "{{{{ env }}}}"\n',
    "host": lambda name: f'stack: "{name}-{{{{ host.name }}}}"\n',
}


@pytest.mark.parametrize("form", FORMS)
def test_two_stacks_have_two_folders_and_one_has_one(tmp_path: Path, form: str) -> None:
    def receive(name: str) -> Path:
        text = FORMS[form](name)
        return Path(uploads.receive(tmp_path, tmp_path, {"stack.yaml": text}, {"key.pub": name}, {}, {}, ()).files[0]).parent

    first = receive("shop")
    assert receive("lab") != first
    assert (first / "key.pub").read_text(encoding="utf-8") == "shop"
    assert receive("shop") == first
