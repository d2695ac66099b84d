"""`undo` without an argument takes back the last apply of the stack here, not of whatever was applied last in the data folder."""

NETWORK = "stack: {name}\nnetworks: {{lan: {{cidr: 10.{number}.0.0/24}}}}\n"


def test_the_last_apply_of_another_stack_is_left_alone(herocloud) -> None:
    herocloud.write(NETWORK.format(name="shop", number=42), "shop.yaml")
    herocloud.write(NETWORK.format(name="lab", number=43), "lab.yaml")
    herocloud.done("apply", "-y", "-f", "shop.yaml")
    herocloud.done("apply", "-y", "-f", "lab.yaml")
    herocloud.done("undo", "-y", "-f", "shop.yaml")
    left = herocloud.done("state", "list").out
    assert "lab" in left
    assert "shop" not in left


def test_without_a_stack_file_the_newest_of_all_is_meant(herocloud) -> None:
    herocloud.write(NETWORK.format(name="lab", number=43), "lab.yaml")
    herocloud.done("apply", "-y", "-f", "lab.yaml")
    herocloud.done("undo", "-y")
    assert "lab" not in herocloud.done("state", "list").out


def test_a_stack_that_was_never_applied_has_nothing_to_undo(herocloud) -> None:
    herocloud.write(NETWORK.format(name="shop", number=42), "shop.yaml")
    herocloud.write(NETWORK.format(name="lab", number=43), "lab.yaml")
    herocloud.done("apply", "-y", "-f", "lab.yaml")
    ran = herocloud("undo", "-y", "-f", "shop.yaml")
    assert ran.code == 1
    assert "nothing to undo" in ran.err
    assert "lab" in herocloud.done("state", "list").out
