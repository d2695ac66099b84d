"""Runs the real providers in the network namespace it is started in: one JSON order a line in, one answer out."""

# ruff: noqa: T201  (a program of its own, which answers on stdout)

import json
import os
import sys
from pathlib import Path

from herocloud.model.errors import HerocloudError
from herocloud.model.steps import Step
from herocloud.providers.mycelium import arithmetic, keys, overview
from herocloud.providers.mycelium.driving import MyceliumDriver
from herocloud.providers.mycelium.observing import MyceliumObserver
from herocloud.providers.network.driving import NetworkDriver
from herocloud.providers.network.observing import NetworkObserver
from herocloud.providers.seam import Work

sys.path.insert(0, str(Path(__file__).parents[3]))

from tests.providers.contract.watch import WATCH, Watched

FOLDER = Path(sys.argv[1])
DRIVERS = {"mycelium": MyceliumDriver(FOLDER, os.environ), "network": NetworkDriver(FOLDER)}


def main() -> None:
    for line in sys.stdin:
        order = json.loads(line)
        try:
            answer = {"answer": obey(order)}
        except HerocloudError as error:
            answer = {"error": type(error).__name__, "says": str(error)}
        print(json.dumps(answer), flush=True)


def obey(order: dict) -> object:
    verb = order["verb"]
    if verb == "key":
        return keys.create(FOLDER, order["name"])
    if verb == "subnet":
        return arithmetic.node_subnet(arithmetic.public_key(keys.read_named(FOLDER, order["name"])))
    if verb == "survey":
        return overview.survey(FOLDER, thorough=True).why
    if verb == "watch":
        WATCH.begin(FOLDER)
        DRIVERS.update({name: Watched(name, driver) for name, driver in DRIVERS.items()})
        return None
    if verb == "watched":
        return [WATCH.trespasses(), sorted(WATCH.seen())]
    if verb == "observe":
        with WATCH.acting("mycelium"):
            overlay = MyceliumObserver(FOLDER).observe(None)
        with WATCH.acting("network"):
            looks = [overlay, NetworkObserver(FOLDER).observe(None)]
        return [
            {stack: {address: dict(thing.parts) for address, thing in things.items()} for stack, things in look.things.items()}
            for look in looks
        ]
    fields = order["step"]
    step = Step(f"{fields['address']}/{fields['kind']}", fields["address"], fields["kind"], order["provider"], *fields["rest"])
    result = getattr(DRIVERS[order["provider"]], verb)(Work(step, order["stack"], {}, order["lineage"], "plan"))
    return [result.found.name, result.detail] if verb == "probe" else result


main()
