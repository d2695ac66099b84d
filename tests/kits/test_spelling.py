"""Small notations: base 36 for sids, one spelling of JSON, the nearest valid name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from herocloud.kits import jsons
from herocloud.kits import nearest as kits_nearest

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(st.integers(min_value=0, max_value=2**64))
def test_base_36_reads_back_what_it_wrote(number: int) -> None:
    text = kits_nearest.encode(number)
    assert kits_nearest.decode(text) == number
    assert text == text.lower()


@pytest.mark.parametrize(("number", "text"), [(1, "1"), (10, "a"), (35, "z"), (36, "10"), (1295, "zz")])
def test_base_36_counts_as_sids_do(number: int, text: str) -> None:
    assert kits_nearest.encode(number) == text


@pytest.mark.parametrize("text", ["", "S1", "Z", "1 0 é"])
def test_another_spelling_of_base_36_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"base 36|invalid literal"):
        kits_nearest.decode(text)


@given(st.dictionaries(st.text(), JSON, max_size=6))
def test_the_order_of_keys_changes_neither_text_nor_digest(value: dict[str, object]) -> None:
    turned = dict(reversed(value.items()))
    assert jsons.dumps(turned) == jsons.dumps(value)
    assert jsons.digest(turned) == jsons.digest(value)


@pytest.mark.parametrize(
    ("wrong", "nearest"),
    [("vcpu", "vcpus"), ("memmory", "memory"), ("Memory", "memory"), ("root-disk", "root_disk"), ("ROOT_DISK", "root_disk"), ("zzz", None)],
)
def test_the_nearest_name_is_what_was_probably_meant(wrong: str, nearest: str | None) -> None:
    assert kits_nearest.nearest(wrong, ["vcpus", "memory", "root_disk"]) == nearest
