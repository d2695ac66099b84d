"""What the rules of a scenario do to the work of the simulator, and how simulated time passes.

Uses are counted in the world file, so that `times: 1` means once however many processes work on the world. A hang or a delay holds no
lock: the rest of the world goes on.

Things that a scenario lets disappear behind our back, each time anybody looks.
"""

import sqlite3
import threading
import time
from pathlib import Path

from herocloud.kits import jsons
from herocloud.model.errors import Permanent, Temporary
from herocloud.providers.seam import Work
from herocloud.providers.simulator import rows, world_file
from herocloud.providers.simulator.scenarios import Rule, Scenario
from herocloud.providers.simulator.world_file import World

_LOOK_EVERY = 0.05
"""Seconds between two looks at whether the work was cancelled."""

_RETRY_AFTER = 0.1


class Mischief:
    """Applies a scenario to work."""

    def __init__(self, scenario: Scenario, world: World, step_time: float = 0.0) -> None:
        """Take the rules, the world that counts their uses, and what an ordinary step takes."""
        self._scenario = scenario
        self._world = world
        self._step_time = step_time
        self._closed = threading.Event()

    def strike(self, work: Work, at: str, verb: str = "") -> None:
        """Let the first rule that matches act. Undoing and probing are matched as `undo vm.boot` and `probe vm.boot`.

        A pattern must begin with the verb to match those: a step that always fails must not make its own rollback fail.
        """
        rule = self._find(work, at, verb)
        if rule is None:
            return
        if rule.delay:
            self._wait(work, rule.delay)
        if rule.hang:
            self._wait(work, None)
        if rule.refuse:
            raise Temporary(rule.refuse, delay=_RETRY_AFTER)
        if rule.fail:
            raise Permanent(rule.fail)

    def spend(self, work: Work) -> None:
        """Let the time pass that a step takes."""
        if self._step_time > 0:
            self._wait(work, self._step_time)

    def close(self) -> None:
        """End every wait, so that a hanging step does not outlive the apply that gave it up."""
        self._closed.set()

    def _find(self, work: Work, at: str, verb: str) -> Rule | None:
        step = f"{verb} {work.step.kind}" if verb else work.step.kind
        for rule in self._scenario.rules:
            if verb and not rule.step.startswith(verb):
                continue
            if rule.matches(work.step.address, step, at) and self._takes_its_turn(rule, f"{work.step.address} {step}"):
                return rule
        return None

    def _takes_its_turn(self, rule: Rule, what: str) -> bool:
        if rule.times is None and rule.probability >= 1:
            return True
        with self._world.changing() as world:
            return take_turn(world, rule, self._scenario.seed, what)

    def _wait(self, work: Work, seconds: float | None) -> None:
        deadline = None if seconds is None else time.monotonic() + seconds
        while True:
            left = _LOOK_EVERY if deadline is None else deadline - time.monotonic()
            if left <= 0:
                return
            if self._closed.wait(min(left, _LOOK_EVERY)) or work.cancelled():
                raise Temporary(f"`{work.step.kind}` of `{work.step.address}` was cancelled before it was done", delay=0.0)


def take_turn(world: sqlite3.Connection, rule: Rule, seed: int, what: str) -> bool:
    """Decide whether a rule that matches acts this time, and count it when it does."""
    if rule.probability < 1 and not _falls(rule, seed, what, _count(world, f"{rule.key} try {what}")):
        return False
    if rule.times is None:
        return True
    used = world.execute("SELECT used FROM rule_uses WHERE rule = ?", (rule.key,)).fetchone()
    if used and used[0] >= rule.times:
        return False
    _count(world, rule.key)
    return True


def _count(world: sqlite3.Connection, key: str) -> int:
    query = "INSERT INTO rule_uses VALUES (?, 1) ON CONFLICT DO UPDATE SET used = used + 1 RETURNING used"
    return int(world.execute(query, (key,)).fetchall()[0][0])


def _falls(rule: Rule, seed: int, what: str, attempt: int) -> bool:
    # A hash and not a generator: the outcome depends on the seed and the attempt only, and not on which thread came first.
    drawn = jsons.blake2b(f"{seed} {rule.key} {what} {attempt}".encode(), digest_size=8).digest()
    return int.from_bytes(drawn, "big") / 2**64 < rule.probability


def vanish_from(folder: Path, scenario: Scenario) -> None:
    """Change the world of a data folder as the rules say."""
    world = world_file.open_world(folder)
    try:
        with world.changing() as connection:
            vanish(connection, scenario)
    finally:
        world.close()


def vanish(world: sqlite3.Connection, scenario: Scenario) -> None:
    """Take away what the rules say, of what was made by now."""
    for stack, address, parts in world.execute("SELECT stack, address, parts FROM things ORDER BY stack, address").fetchall():
        # A VM that is being made has disks and taps before it has a machine; it is not there to vanish yet.
        if parts == "{}" or (address.startswith("vm.") and '"machine":' not in parts):
            continue
        for rule in scenario.rules:
            if rule.takes(address) and take_turn(world, rule, scenario.seed, f"{address} vanish"):
                rows.remove(world, stack, address)
                break
