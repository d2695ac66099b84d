"""docs/daemon.md: its program runs as it stands, and its table of errors is the program's."""

import re
from pathlib import Path
from typing import Any

from herocloud.rpc.calls import error_codes

PAGE = (Path(__file__).parents[2] / "docs" / "daemon.md").read_text(encoding="utf-8")


def test_the_ten_lines_of_python_run(daemon: Any, capsys: Any) -> None:
    (program,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    exec(program, {"SOCKET": daemon.path})  # noqa: S102  (the page's own program)
    *followed, done = capsys.readouterr().out.splitlines()
    assert set(followed) <= {"job_started", "job_admitted", "step_done", "job_done"}
    assert done == "running ['s1']"
    assert daemon.call("list_vms") == []
    assert daemon.call("get_slice", slice_sid="s1")["state"] == "Free"


def test_the_table_of_errors_has_every_code() -> None:
    assert {int(code) for code in re.findall(r"^\| (-320\d\d) \|", PAGE, re.MULTILINE)} == {kind.code for kind in error_codes.OWN}


def test_the_pages_paths_are_served(daemon: Any) -> None:
    for method, path in re.findall(r"^\| `(GET|POST) (/[^`?]*)", PAGE, re.MULTILINE):
        if path == "/events":
            continue
        assert daemon.request(method, path, b"[]" if method == "POST" else None).status == 200, path
