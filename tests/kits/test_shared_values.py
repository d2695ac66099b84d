"""What is made of an object is made once, for as long as somebody asks for it."""

from herocloud.kits.shared_values import MadeLately


def test_what_was_made_lately_is_made_of_each_object_once() -> None:
    made: list[object] = []
    lately: MadeLately[int] = MadeLately(rounds=2)

    def count(*things: object) -> int:
        made.append(things)
        return len(made)

    # Equal, and another object each.
    first, second = {"a": 1}, {"a": 1}
    for _ in range(5):
        assert (lately.make(count, first), lately.make(count, second), lately.make(count, first, second)) == (1, 2, 3)
        lately.end_round()


def test_what_nobody_asks_for_any_more_is_forgotten() -> None:
    class Thing:
        gone = 0

        def __del__(self) -> None:
            Thing.gone += 1

    lately: MadeLately[str] = MadeLately(rounds=2)
    lately.make(str, Thing())
    kept = Thing()
    for _ in range(4):
        lately.make(str, kept)
        lately.end_round()
    assert Thing.gone == 1
    assert lately.make(lambda _thing: "made again", kept) != "made again"
