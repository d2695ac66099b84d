from hypothesis import given
from hypothesis import strategies as st

from herocloud.model import ids


def test_runs_of_counted_addresses_are_ranges() -> None:
    addresses = ["vm.web[10]", "vm.web[2]", "vm.db", "vm.web[3]", "vm.web[4]", "network.lan"]
    assert ids.fold_addresses(addresses) == ["network.lan", "vm.db", "vm.web[2–4, 10]"]  # noqa: RUF001


def test_a_single_number_is_no_range() -> None:
    assert ids.fold_addresses(["vm.web[7]"]) == ["vm.web[7]"]


def test_peers_with_brackets_in_their_address_stay_as_they_are() -> None:
    assert ids.fold_addresses(["peer.tcp://[2001:db8::1]:9651"]) == ["peer.tcp://[2001:db8::1]:9651"]


@given(st.sets(st.integers(0, 500), min_size=1))
def test_every_number_is_in_the_ranges_and_no_other(numbers) -> None:
    (folded,) = ids.fold_addresses(f"vm.web[{number}]" for number in numbers)
    found = set()
    for piece in folded[len("vm.web[") : -1].split(", "):
        first, _, last = piece.partition("–")  # noqa: RUF001
        found |= set(range(int(first), int(last or first) + 1))
    assert found == numbers
