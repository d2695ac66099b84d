"""Runs the real provider in the network namespace it is started in: one JSON order a line in, one answer out."""

# ruff: noqa: T201  (a program of its own, which answers on stdout)

import json
import sys
from concurrent import futures
from pathlib import Path

from herocloud.model.errors import HerocloudError
from herocloud.model.steps import Step
from herocloud.providers.network import driving, observing
from herocloud.providers.seam import Work

FOLDER = Path(sys.argv[1])


def main() -> None:
    driver = driving.NetworkDriver(FOLDER)
    owner = None
    for line in sys.stdin:
        order = json.loads(line)
        if order["verb"] == "owner":
            owner = order["user"]
            driver = driving.NetworkDriver(FOLDER, owner)
        try:
            answer = {"answer": obey(driver, order, owner)}
        except HerocloudError as error:
            answer = {"error": type(error).__name__, "says": str(error)}
        print(json.dumps(answer), flush=True)


def obey(driver: driving.NetworkDriver, order: dict, owner: int | None = None) -> object:
    if order["verb"] == "owner":
        return owner
    if order["verb"] == "observe":
        seen = observing.NetworkObserver(FOLDER, owner).observe(order["stacks"])
        return {stack: {address: thing._asdict() for address, thing in things.items()} for stack, things in seen.things.items()}
    if order["verb"] == "usable":
        return observing.survey()[:2]
    if order["verb"] == "many":
        return carry_out_at_once(driver, order["orders"])
    fields = order["step"]
    step = Step(f"{fields['address']}/{fields['kind']}", fields["address"], fields["kind"], "network", *fields["rest"])
    result = getattr(driver, order["verb"])(Work(step, order["stack"], {}, order["lineage"], "plan"))
    return [result.found.name, result.detail] if order["verb"] == "probe" else result


def carry_out_at_once(driver: driving.NetworkDriver, orders: list[dict]) -> object:
    """Carry out orders in a thread each, as an apply does."""
    with futures.ThreadPoolExecutor(len(orders)) as crew:
        return list(crew.map(lambda order: obey(driver, order), orders))


main()
