"""A state that was put back from a backup knows nothing of what was made since: that keeps what it was given, and is told of."""

import json
import shutil
from typing import Any

import pytest

OLD = """\
stack: shop
images: {tiny: {kernel: ./vmlinuz}}
vms:
  web: {image: tiny, slice: [s2], memory: 1 GiB}
"""
NEW = f"{OLD}  db: {{image: tiny, slice: [s4], memory: 1 GiB}}\n"


@pytest.fixture
def put_back(herocloud: Any) -> Any:
    """Make a VM, then another one, and put back the state from in between."""
    herocloud.write("", "vmlinuz")
    herocloud.write(OLD)
    herocloud.done("apply", "-y")
    state = herocloud.data_folder / "state.db"
    shutil.copy(state, herocloud.data_folder / "backup")
    herocloud.write(NEW)
    herocloud.done("apply", "-y")
    for name in ("state.db-wal", "state.db-shm"):
        (herocloud.data_folder / name).unlink(missing_ok=True)
    shutil.copy(herocloud.data_folder / "backup", state)
    return herocloud


def _holder(herocloud: Any, sid: str) -> str | None:
    slices = json.loads(herocloud.done("slice", "list", "--json").out)["slices"]
    return next(one["vm"] for one in slices if one["sid"] == sid)  # type: ignore[no-any-return]


def test_its_slice_is_in_use(put_back: Any) -> None:
    assert _holder(put_back, "s4") == "vm.db"
    assert _holder(put_back, "s2") == "vm.web"
    assert _holder(put_back, "s1") is None


def test_all_count_the_same_slices(put_back: Any) -> None:
    put_back.write(OLD.replace("shop", "more").replace("slice: [s2], ", ""))
    plan = json.loads(put_back("plan", "--json").out)
    assert plan["capacity"]["slices"]["before"] == 2
    assert "2 in use" in put_back.done("slice", "list").out


def test_nobody_else_is_given_its_slice(put_back: Any) -> None:
    put_back.write(OLD.replace("shop", "more").replace("s2", "s4"))
    refused = put_back("plan")
    assert refused.code != 0
    assert "`s4`, which `vm.db of stack shop` holds" in refused.err
    put_back.write(OLD.replace("shop", "more").replace("slice: [s2], memory: 1 GiB", "slices: 3, memory: 1 GiB"))
    put_back.done("apply", "-y")
    assert [_holder(put_back, sid) for sid in ("s1", "s3", "s5")] == ["vm.web"] * 3


def test_drift_tells_of_it_until_it_is_recorded_again(put_back: Any) -> None:
    drift = put_back("drift", "--detailed-exitcode")
    assert drift.code == 2
    assert "Here without a record, stack shop:" in drift.out
    assert "vm.db" in drift.out
    (entry,) = json.loads(put_back("drift", "--json").out)["resource_drift"]
    assert (entry["address"], entry["cause"], entry["left_by_apply"]) == ("vm.db", "no_record", False)
    # The warning that the state went back goes with the next write; this does not.
    put_back.write(OLD.replace("shop", "more").replace("s2", "s1"))
    put_back.done("apply", "-y")
    put_back.write(NEW)
    assert "vm.db" in put_back.done("drift").out
    put_back.done("apply", "-y")
    assert put_back.done("drift").out.strip() == "No drift."
    assert _holder(put_back, "s4") == "vm.db"


def test_taken_back_by_a_file_that_names_no_slice_it_keeps_its_own(put_back: Any) -> None:
    put_back.write(NEW.replace("slice: [s4], ", ""))
    put_back.done("apply", "-y")
    assert _holder(put_back, "s4") == "vm.db"
