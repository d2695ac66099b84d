"""The project's named tuples behave as those of `typing` do: the same definitions are made twice and compared."""

import copy
import pickle
import subprocess
import sys
import typing
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import pytest

from herocloud.kits import named_tuples

T = TypeVar("T")


class Point(named_tuples.NamedTuple):
    """A type at the top of a module, because pickles name it."""

    x: int
    y: "int | None" = None
    words: tuple[str, ...] = ()

    def twice(self) -> "Point":
        return self._replace(x=2 * self.x)

    @property
    def first_word(self) -> str | None:
        return self.words[0] if self.words else None


class TypingPoint(typing.NamedTuple):
    x: int
    y: "int | None" = None
    words: tuple[str, ...] = ()


BOTH = [Point, TypingPoint]


def _outcome(act: Callable[[], Any]) -> Any:
    """What came out, or how it failed; the names of the two types differ on purpose."""
    try:
        return str(act()).replace("TypingPoint", "Point")
    except (TypeError, ValueError, AttributeError) as wrong:
        return type(wrong), str(wrong).replace("TypingPoint", "Point")


@pytest.mark.parametrize(
    "act",
    [
        lambda kind: kind(1),
        lambda kind: kind(1, 2, ("a",)),
        lambda kind: kind(x=1, words=("b",)),
        lambda kind: kind(),
        lambda kind: kind(1, 2, (), 4),
        lambda kind: kind(1, z=2),
        lambda kind: kind(1, x=2),
        lambda kind: kind._make([1, 2, ()]),
        lambda kind: kind._make([1]),
        lambda kind: kind(1)._replace(y=5),
        lambda kind: kind(1)._replace(z=5, x=2),
        lambda kind: kind(1)._asdict(),
        lambda kind: (kind._fields, kind._field_defaults, kind.__match_args__, kind.__slots__),
        typing.get_type_hints,
        lambda kind: (kind(1, 2).y, kind(1, 2)[1], kind(1, 2)[0:2], len(kind(1))),
        lambda kind: sorted([kind(3), kind(1), kind(2)]),
        lambda kind: (kind(1) == kind(1), kind(1) == kind(2), kind(1) == (1, None, ()), hash(kind(1)) == hash((1, None, ()))),
        lambda kind: setattr(kind(1), "x", 2),
        lambda kind: setattr(kind(1), "z", 2),
        lambda kind: copy.deepcopy(kind(1, 2)),
        lambda kind: (type(copy.copy(kind(1))) is kind, kind(1).__getnewargs__()),
        lambda kind: issubclass(kind, tuple),
        lambda kind: hasattr(kind(1), "__dict__"),
    ],
)
def test_what_is_done_with_them_ends_as_with_the_ones_of_typing(act: Callable[[Any], Any]) -> None:
    ours, theirs = (_outcome(lambda kind=kind: act(kind)) for kind in BOTH)
    assert ours == theirs


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_comes_back_as_the_same_type(protocol: int) -> None:
    back = pickle.loads(pickle.dumps(Point(1, 2), protocol))  # noqa: S301  (our own bytes)
    assert back == Point(1, 2)
    assert type(back) is Point


def test_methods_and_properties_of_a_definition_are_kept() -> None:
    assert Point(2, words=("a", "b")).twice() == Point(4, words=("a", "b"))
    assert Point(2, words=("a", "b")).first_word == "a"
    match Point(7, 8):
        case Point(x, y):
            assert (x, y) == (7, 8)


def test_a_class_below_a_named_tuple_makes_values_of_its_own_kind() -> None:
    class Base(named_tuples.NamedTuple):
        a: int
        new: int = 3

    class Below(Base):
        pass

    assert type(Below(1)) is Below
    assert type(Base(1)) is Base
    assert Below(1, 4).new == 4


def test_a_constructor_of_a_class_below_may_call_the_one_above() -> None:
    class Base(named_tuples.NamedTuple):
        a: int

    class Below(Base):
        def __new__(cls, a: int) -> typing.Self:
            return super().__new__(cls, a + 1)

    assert [Below(1).a, Below(1).a, Base(1).a] == [2, 2, 1]


def test_a_generic_one_can_be_given_its_types() -> None:
    class Box(named_tuples.NamedTuple, Generic[T]):
        content: T

    assert Box[int](3).content == 3
    assert typing.get_args(Box[int]) == (int,)


def test_values_made_later_do_not_pass_through_the_first_one() -> None:
    class Late(named_tuples.NamedTuple):
        a: int

    assert "__new__" not in vars(Late)
    Late(1)
    assert "__new__" in vars(Late)
    assert [Late(2), Late(a=3)] == [(2,), (3,)]


def test_a_field_without_a_default_behind_one_with_a_default_is_refused() -> None:
    with pytest.raises(TypeError, match="without a default"):

        class Wrong(named_tuples.NamedTuple):
            a: int = 1
            b: int


def test_a_field_that_begins_with_an_underscore_is_refused() -> None:
    with pytest.raises(ValueError, match="underscore"):

        class Wrong(named_tuples.NamedTuple):
            _a: int


@pytest.mark.world
def test_a_collection_of_garbage_while_it_is_imported_does_no_harm() -> None:
    words = "import gc, importlib; from herocloud.kits import named_tuples; "
    words += (
        "[(gc.set_threshold(often, 1, 1), importlib.reload(named_tuples)) for often in range(1, 60)]; print(len(named_tuples._READERS))"
    )
    ran = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=False)
    assert ran.stdout == "40\n", ran.stderr
