"""The undo of an undone shift of instances cannot be done, and says the reason that is true and a way that works."""

from typing import Any

SHOP = """\
stack: shop
images: {{a: {{source: "https://example.org/a.qcow2", unpinned: true, format: qcow2}}}}
defaults: {{image: a}}
vms: {{w: {{count: {count}}}}}
"""
MOVED = "moved: [{from: 'vm.w[1]', to: 'vm.w[0]'}, {from: 'vm.w[2]', to: 'vm.w[1]'}]\n"


def test_it_names_what_has_the_name_and_how_to_go_on(herocloud: Any) -> None:
    stack = herocloud.write(SHOP.format(count=3))
    herocloud.done("apply", "-y", "-q")
    stack.write_text(SHOP.format(count=2) + MOVED, encoding="utf-8")
    herocloud.done("apply", "-y", "-q")
    herocloud.done("undo", "-y", "-q")
    ran = herocloud("undo", "-y", "-q")
    assert ran.code == 1
    assert "`vm.w[0]` would be removed, and `vm.w[1]` would get that name back" in ran.err
    assert "A slice was given to somebody else" not in ran.err
    assert "apply the stack file from before `apply-3` again" in ran.err
    # The way that it names is one.
    again = herocloud.done("apply", "-y", "-q")
    assert "2 moved" in again.out
    assert "No changes" in herocloud.done("plan").out
