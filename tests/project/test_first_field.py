"""The page `Your first field`: its changes apply, and the field is planned, made, exported and taken out again."""

import json
import re
from pathlib import Path

import pytest

from tests.project import page_changes
from tests.project.page_changes import Changed

FIELD = ", watchdog: true"


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Changed:
    """Return the changed program, with its table of fields made as the page says."""
    repository = Path(__file__).resolve().parents[2]
    made = page_changes.apply_page(repository, "first-field.md", tmp_path_factory.mktemp("field"))
    ran = made.python("-m", "herocloud.stack.fields.shapes")
    assert ran.returncode == 0, ran.stderr
    return made


def _write(changed: Changed, text: str) -> None:
    (changed.work / "stack.yaml").write_text(text, encoding="utf-8")


def test_the_life_of_the_field_is_as_the_page_shows_it(changed: Changed) -> None:
    match = re.search(r"```yaml\n(.*?)```", changed.page, re.DOTALL)
    assert match is not None
    stack = match[1]
    # What the program made before the change is no reason for a reboot after it.
    _write(changed, stack.replace(FIELD, ""))
    assert "Done" in changed.herocloud("apply", "-y", changed=False)
    assert changed.herocloud("plan") == "No changes.\n"
    _write(changed, stack)
    assert changed.herocloud("plan") == page_changes.shown_output(changed.page, "herocloud plan")
    assert "1 rebooted" in changed.herocloud("apply", "-y")
    assert changed.herocloud("plan") == "No changes.\n"
    _write(changed, changed.herocloud("export"))
    assert "watchdog: true" in (changed.work / "stack.yaml").read_text(encoding="utf-8")
    assert changed.herocloud("plan") == "No changes.\n"
    _write(changed, stack.replace(FIELD, ""))
    assert "watchdog true → none needs a power-cycle" in changed.herocloud("plan")


def test_a_wrong_value_and_a_hypervisor_without_it_are_findings(changed: Changed) -> None:
    match = re.search(r"```yaml\n(.*?)```", changed.page, re.DOTALL)
    assert match is not None
    _write(changed, match[1].replace("watchdog: true", "watchdog: maybe"))
    assert "`watchdog` takes `true` or `false`, not `maybe`." in changed.herocloud("validate")
    script = "from herocloud.providers.{} import planning; import json, sys; print(planning.unsupported(json.loads(sys.argv[1])))"
    _write(changed, match[1])
    changes = json.loads(changed.herocloud("plan", "--json"))["resource_changes"]
    spec = json.dumps(next(change["change"]["after"] for change in changes if change["address"] == "vm.web"))
    for package, title in (("qemu", "QEMU"), ("cloud_hypervisor", "Cloud Hypervisor")):
        assert f"{title} VMs get no watchdog device" in changed.python("-c", script.format(package), spec).stdout
