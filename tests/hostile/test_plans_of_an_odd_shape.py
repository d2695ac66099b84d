"""A saved plan whose checksum is right may say anything: it is refused with the reason, or it can be shown."""

import json
import random
from collections.abc import Iterator
from typing import Any

import pytest

from herocloud.model.errors import HerocloudError
from tests.hostile import fuzz_targets

pytestmark = pytest.mark.world

_ODD: tuple[Any, ...] = (None, 7, -1, 2**70, float("inf"), "", "x\x1b[31m", "\ud800", [], {}, [1], {"a": 1}, True, [[]])
_TRIED = 400


def places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield place
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(inner, (*place, key))


def replaced(value: Any, place: tuple[Any, ...], odd: Any) -> Any:
    if not place:
        return odd
    copy = list(value) if isinstance(value, list) else dict(value)
    copy[place[0]] = replaced(value[place[0]], place[1:], odd)
    return copy


@pytest.mark.parametrize("name", ["a-first-apply", "a-live-change", "a-removal"])
def test_each_value_of_a_plan_may_be_anything_else(name: str) -> None:
    body = json.loads((fuzz_targets.CORPUS / "plan" / name).read_bytes())
    fuzz_targets.TARGETS["plan"](json.dumps(body).encode())
    cases = [(place, odd) for place in places(body) for odd in _ODD]
    for place, odd in random.Random(name).sample(cases, _TRIED):
        try:
            fuzz_targets.TARGETS["plan"](json.dumps(replaced(body, place, odd)).encode())
        except HerocloudError:
            continue
        except Exception as error:
            raise AssertionError(f"{place} = {odd!r}") from error


@pytest.mark.parametrize(
    ("place", "odd", "said"),
    [
        (("changes", 0, "after", "volumes"), 7, "`volumes` is not a list"),
        (("changes", 0, "after", "root_disk"), 7, "`root_disk` is not a mapping"),
        (("critical_seconds",), float("inf"), "critical_seconds"),
        (("changes", 0, "address"), "\ud800", "surrogates"),
    ],
)
def test_what_is_wrong_with_a_plan_is_said(place: tuple[Any, ...], odd: Any, said: str) -> None:
    body = json.loads((fuzz_targets.CORPUS / "plan" / "a-live-change").read_bytes())
    vm = next(number for number, change in enumerate(body["changes"]) if change["kind"] == "vm")
    place = tuple(vm if one == 0 else one for one in place)
    with pytest.raises(HerocloudError) as caught:
        fuzz_targets.TARGETS["plan"](json.dumps(replaced(body, place, odd)).encode())
    assert said in str(caught.value.diagnostics[0].detail)  # type: ignore[attr-defined]
