"""Stacks are planned, applied, changed, killed, resumed, taken back and destroyed on real disks; afterwards a plan has nothing to do."""

import pytest

from herocloud.providers import registry
from herocloud.providers.images import driving
from tests.providers.images import engine

STACK = """\
stack: shop
images:
  debian: {{source: {image}, format: raw}}
volumes:
  data: {{size: {volume}}}
vms:
  web:
    count: {count}
    image: debian
    memory: 1 GiB
    root_disk: {{size: {disk}}}
    env: {{GREETING: {greeting}}}
    secrets: {{password: {{env: ENGINE_PASSWORD}}}}
    volumes: []
"""


@pytest.fixture
def stack(raw, monkeypatch):
    """Return a maker of stack files, on a host whose only hypervisor is the pretended one."""
    monkeypatch.setattr(registry, "PROVIDERS", engine.lines())
    monkeypatch.setenv("ENGINE_PASSWORD", "hush")

    def make(**values):
        return STACK.format(**{"image": raw, "volume": "1 GiB", "count": 2, "disk": "1 GiB", "greeting": "hello", **values})

    return make


@pytest.fixture
def make_site(tmp_path):
    numbers = iter(range(1000))
    return lambda: engine.Site(tmp_path / f"site{next(numbers)}")


def test_what_was_applied_is_what_is_seen(make_site, stack) -> None:
    site = make_site()
    site.apply(stack())
    assert site.changes(stack()) == []
    assert len([name for name in site.names() if name.endswith("/root.raw")]) == 2


def test_growing_a_stopped_and_a_running_disk_leaves_nothing_to_do(make_site, stack) -> None:
    site = make_site()
    site.apply(stack())
    larger = stack(disk="2 GiB", volume="2 GiB")
    assert {step.kind for step in site.plan(larger).steps} >= {"vm.grow", "volume.grow"}
    site.apply(larger)
    assert site.changes(larger) == []


def test_another_environment_rewrites_the_seed(make_site, stack) -> None:
    site = make_site()
    site.apply(stack())
    seeds = {path: path.read_bytes() for path in site.folder.glob("vms/*/seed.iso")}
    site.apply(stack(greeting="goodbye"))
    assert site.changes(stack(greeting="goodbye")) == []
    assert all(path.read_bytes() != before for path, before in seeds.items())


def test_another_image_replaces_the_disk_and_buries_the_old_one(make_site, stack, raw, shapes) -> None:
    site = make_site()
    site.apply(stack())
    other = raw.with_name("other.raw")
    other.write_bytes(shapes.content(seed=2))
    site.apply(stack(image=other))
    assert site.changes(stack(image=other)) == []
    assert all(path.read_bytes()[:1000] == shapes.content(seed=2)[:1000] for path in site.folder.glob("vms/*/root.raw"))
    assert len(site.images.tombstones()) == 2


def test_a_secret_that_changes_between_plan_and_apply_fails_its_step_alone(make_site, stack, monkeypatch) -> None:
    site = make_site()
    plan = site.plan(stack())
    monkeypatch.setenv("ENGINE_PASSWORD", "changed")
    result = site.execute(plan, on_failure="continue")
    failed = [outcome for outcome in result.outcomes if outcome.error]
    assert {outcome.kind for outcome in failed} == {"seed.write"}
    assert all("is not the one that was planned" in outcome.error for outcome in failed)


def test_a_renamed_machine_keeps_its_disk_and_seed(make_site, stack) -> None:
    site = make_site()
    site.apply(stack(count=1))
    renamed = stack(count=1).replace("  web:", "  front:") + "moved: [{from: vm.web, to: vm.front}]\n"
    before = site.names()
    site.apply(renamed)
    assert site.names() == before
    assert site.changes(renamed) == []


def test_destroying_leaves_tombstones_and_the_cached_image_alone(make_site, stack) -> None:
    site = make_site()
    site.apply(stack())
    empty = "stack: shop\n"
    site.apply(empty)
    assert [name for name in site.names() if not name.startswith("images/store/")] == []
    assert len(site.images.tombstones()) == 3
    assert site.changes(empty) == []


def test_purging_leaves_nothing_at_all(make_site, stack) -> None:
    site = make_site()
    site.apply(stack())
    site.execute(site.plan("stack: shop\n", purge=True))
    assert site.names() == []
    assert site.images.tombstones() == []


POINTS = [
    f"{point}:{number}"
    for point in driving.FAULT_POINTS
    if ".undo." not in point and "move" not in point
    for number in ((1, 2, 3) if point.endswith("half") else (1,))
]


def test_killed_anywhere_a_resume_completes_it(make_site, stack) -> None:
    """One stack after the other, from nothing to made, changed and gone: each point of each kind is struck where it first comes up."""
    changed = stack(disk="2 GiB", volume="2 GiB", greeting="goodbye", count=1)
    stages = [stack(), changed, "stack: shop\n"]
    expected = []
    clean = make_site()
    for text in stages:
        clean.apply(text)
        expected.append(clean.names())
    struck = set()
    for point in POINTS:
        site = make_site()
        for text, wanted in zip(stages, expected, strict=True):
            if point not in struck and site.apply_until(text, point):
                struck.add(point)
                site.resume()
            else:
                site.apply(text) if site.plan(text).changing else None
            assert site.changes(text) == [], point
            assert site.names() == wanted, point
    kinds = {point.removeprefix("images.").rpartition(".")[0] for point in struck}
    assert kinds >= {
        "image.fetch",
        "disk.create",
        "disk.delete",
        "seed.write",
        "seed.delete",
        "volume.create",
        "volume.grow",
        "volume.delete",
    }


def test_killed_anywhere_a_rollback_takes_it_back(make_site, stack) -> None:
    larger = stack(volume="2 GiB", greeting="goodbye", count=3)
    for point in POINTS:
        site = make_site()
        site.apply(stack())
        before = site.names()
        if not site.apply_until(larger, point):
            continue
        site.resume(rollback=True)
        assert site.changes(stack()) == [], point
        assert site.names() == before, point
