"""What edges lead to, and the same edges the other way round."""

from herocloud.kits import edges

NEEDS = {"web": ["lan", "db"], "db": ["data"], "data": [], "loop": ["loop", "lan"]}


def test_what_is_reached_are_the_starts_and_all_behind_them() -> None:
    assert edges.follow(["web"], NEEDS) == {"web", "lan", "db", "data"}
    assert edges.follow(["loop", "unknown"], NEEDS) == {"loop", "lan", "unknown"}
    assert edges.follow([], NEEDS) == set()


def test_turned_edges_lead_back_in_the_order_in_which_they_were_met() -> None:
    assert edges.turn(NEEDS) == {"lan": ["web", "loop"], "db": ["web"], "data": ["db"], "loop": ["loop"]}
