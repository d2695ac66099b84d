"""What an undo that cannot be done says: one error for each cause, and nothing promised above it."""

import json
import sqlite3

from herocloud.providers.simulator import moves

WEB = """\
stack: shop
images:
  debian: {source: "https://example.org/old.qcow2", unpinned: true, format: qcow2}
"""


def test_data_that_is_gone_is_said_once_and_promised_nowhere(herocloud) -> None:
    herocloud.write(WEB + "vms: {web: {count: 3, image: debian, memory: 1 GiB}}\n")
    herocloud.done("apply", "-y", "-q")
    herocloud.write(WEB.replace("old", "new") + "vms: {web: {count: 3, image: debian, memory: 1 GiB}}\n")
    herocloud.done("apply", "-y", "-q")
    herocloud.done("state", "gc", "--all", "-y")
    ran = herocloud("undo", "-y")
    assert ran.code == 1, ran.both
    assert ran.err.count("error: ") == 1
    assert "The data of `vm.web[0\u20132]` is not kept any more" in ran.err
    assert "comes back" not in ran.both
    assert ran.out.count("the data from before is gone for good") == 3


def test_only_what_is_gone_is_called_gone(herocloud) -> None:
    herocloud.write(WEB + "vms: {web: {image: debian, memory: 1 GiB}}\nvolumes: {data: {size: 1 GiB}}\n")
    herocloud.done("apply", "-y", "-q")
    herocloud.write(WEB)
    herocloud.done("apply", "-y", "-q")
    with sqlite3.connect(herocloud.data_folder / "simulator.db") as world:
        ((key,),) = world.execute("SELECT key FROM tombstones WHERE address = 'vm.web'").fetchall()
        moves.drop(world, key)
    world.close()
    ran = herocloud("undo", "-y")
    assert "The data of `vm.web` is not kept any more" in ran.err
    assert ran.out.count("1 GiB of data comes back") == 1


def test_slices_that_were_given_away_are_named_in_one_error(herocloud) -> None:
    big = "vms: {big: {image: debian, slices: 7, memory: 1 GiB}}\n"
    herocloud.write(WEB + big)
    herocloud.done("apply", "-y", "-q")
    herocloud.write(WEB)
    herocloud.done("apply", "-y", "-q")
    herocloud.write(WEB + "vms: {small: {count: 7, image: debian, memory: 1 GiB}}\n")
    herocloud.done("apply", "-y", "-q")
    ran = herocloud("undo", "apply-2", "-y")
    assert ran.code == 1, ran.both
    assert ran.err.count("error: ") == 1
    assert "`vm.big` had the slices `s1`, `s2`, `s3`, `s4`, `s5` and 2 more, which `shop/vm.small[0]`" in ran.err


def test_what_later_applies_changed_is_named_in_one_error(herocloud) -> None:
    for memory in (1, 2, 3):
        herocloud.write(WEB + f"vms: {{web: {{count: 3, image: debian, memory: {memory} GiB}}}}\n")
        herocloud.done("apply", "-y", "-q")
    ran = herocloud("undo", "apply-2", "-y")
    assert ran.code == 1, ran.both
    assert ran.err.count("error: ") == 1
    assert "`vm.web[0\u20132]` were changed again after `apply-2`." in ran.err


def test_a_refusal_about_several_names_the_first_of_them_to_scripts(herocloud) -> None:
    for memory in (1, 2, 3):
        herocloud.write(WEB + f"vms: {{web: {{count: 3, image: debian, memory: {memory} GiB}}}}\n")
        herocloud.done("apply", "-y", "-q")
    herocloud("undo", "apply-2", "-y", "--json-into", "e.ndjson")
    lines = (herocloud.folder / "e.ndjson").read_text(encoding="utf-8").splitlines()
    [found] = [one["diagnostic"] for one in map(json.loads, lines) if one["type"] == "diagnostic"]
    assert (found["code"], found["address"]) == ("undo-touched", "vm.web[0]")


def test_after_an_undo_that_failed_nothing_that_is_there_is_called_gone(herocloud, misbehave) -> None:
    herocloud.write(WEB + "vms: {web: {image: debian, memory: 1 GiB}}\n")
    herocloud.done("apply", "-y", "-q")
    herocloud.write(WEB.replace("old", "new") + "vms: {web: {image: debian, memory: 1 GiB}}\n")
    herocloud.done("apply", "-y", "-q")
    misbehave('{address: vm.web, step: vm.boot, times: 1, fail: "the cord was pulled"}')
    assert herocloud("undo", "-y").code == 13
    ran = herocloud("undo", "apply-2", "-y")
    assert ran.code == 1, ran.both
    assert "`vm.web` were changed again after `apply-2`" in ran.err
    assert "gone" not in ran.both


def test_what_an_undo_of_an_undo_put_into_force_again_is_named(herocloud) -> None:
    for memory in (1, 2):
        herocloud.write(WEB + f"vms: {{web: {{image: debian, memory: {memory} GiB}}}}\n")
        herocloud.done("apply", "-y", "-q")
    herocloud.done("undo", "-y")
    assert "What `apply-2`" in herocloud("undo", "apply-2", "-y").err
    herocloud.done("undo", "apply-3", "-y")
    ran = herocloud("undo", "apply-2", "-y")
    assert "`apply-4` put what `apply-2`" in ran.err
    assert "`herocloud undo apply-4` takes it back" in ran.err
    herocloud.done("undo", "apply-4", "-y")
    assert "What `apply-2`" in herocloud("undo", "apply-2", "-y").err
    assert "`apply-5` put what `apply-3`" in herocloud("undo", "apply-3", "-y").err
