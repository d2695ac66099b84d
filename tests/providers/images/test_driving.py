"""What every kind of step has in common: it can be done twice, asked about, and taken back."""

import subprocess
import sys

import pytest

from herocloud.model.steps import KINDS
from herocloud.providers.images import driving
from herocloud.providers.seam import Found


@pytest.fixture
def steps(bench, raw, shapes):
    """Return one step of each kind that makes or changes something, each with what goes around it, in an order in which they can run."""
    body = shapes.image(str(raw))
    disk = shapes.disk(body)
    volume = {"size": 4 * shapes.MIB, "path": "volumes/shop/data.raw"}
    spec = {"spec": shapes.spec()}
    return [
        (("image.fetch", "image.debian", "image", None, body), {}),
        (("disk.create", "vm.web", "disk", None, disk), {}),
        (("disk.grow", "vm.web", "disk", disk, {**disk, "size": 16 * shapes.MIB}), {}),
        (("seed.write", "vm.web", "seed", None, shapes.SEED), spec),
        (("seed.write", "vm.web", "seed", shapes.SEED, {**shapes.SEED, "digest": "2"}), spec),
        (("volume.create", "volume.data", "volume", None, volume), {}),
        (("volume.grow", "volume.data", "volume", volume, {**volume, "size": 8 * shapes.MIB}), {}),
        (("volume.move", "volume.rest", "mark", {"address": "volume.data"}, {"address": "volume.rest"}), {}),
        (("volume.delete", "volume.rest", "volume", {**volume, "size": 8 * shapes.MIB}, None), {}),
        (("seed.delete", "vm.web", "seed", {**shapes.SEED, "digest": "2"}, None), spec),
        (("disk.delete", "vm.web", "disk", {**disk, "size": 16 * shapes.MIB}, None), {}),
        (("image.delete", "image.debian", "image", body, None), {}),
    ]


def test_every_step_can_be_done_twice_and_is_seen_to_be_done(bench, steps) -> None:
    for step, more in steps:
        assert bench.probe(*step, **more).found is Found.NOT_STARTED, step
        assert bench.perform(*step, **more) == step[4]
        after = bench.snapshot()
        assert bench.probe(*step, **more).found is Found.DONE, step
        assert bench.perform(*step, **more) == step[4]
        assert bench.snapshot() == after, step


def test_every_step_can_be_taken_back_twice(bench, steps) -> None:
    for step, more in steps:
        before = bench.look()
        bench.perform(*step, **more)
        for _ in range(2):
            bench.undo(*step, **more)
            assert bench.look().things == before.things, step
            assert bench.probe(*step, **more).found is Found.NOT_STARTED, step
        bench.perform(*step, **more)


def test_a_look_sees_exactly_what_the_steps_say(bench, steps) -> None:
    for step, more in steps:
        bench.perform(*step, **more)
        _, address, part, _, after = step
        if part != "mark":
            assert bench.part(address, part) == after


def test_every_kind_of_the_role_is_performed() -> None:
    assert set(driving.PERFORMED) == {kind for kind, info in KINDS.items() if info.role == "images"}


def test_opening_the_provider_loads_nothing_heavy(bench) -> None:
    code = (
        "import sys; from pathlib import Path; from herocloud.providers.images import driving; driving.ImagesDriver(Path(sys.argv[1]));"
        "print(sorted({'httpx', 'pycdlib', 'ruamel.yaml', 'pydantic', 'email.mime', 'lzma', 'backports'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code, str(bench.folder)], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"
