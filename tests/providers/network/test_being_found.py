"""The engine finds the provider by its name and role, and loads pyroute2 only once something is changed."""

import json
import socket
import subprocess
import sys
from pathlib import Path

from herocloud.providers import drivers, registry, survey
from herocloud.providers.network import driving, inbound, network_rules, observing, tap_rules
from herocloud.providers.seam import ProviderContext

PROGRAM = """
import json, sys
from pathlib import Path
from herocloud.providers import drivers, registry
from herocloud.providers.network import dumps
from herocloud.providers.seam import ProviderContext
# Whoever runs the tests may have networks on the machine.
dumps.dump_links = lambda: ()
context = ProviderContext(Path(sys.argv[1]))
registry.find("network").observer(context).observe(None)
looked = sorted(sys.modules)
drivers.open_driver("network", "network", context).close()
print(json.dumps([looked, sorted(sys.modules)]))
"""


def test_the_registry_opens_driver_and_observer_by_name(tmp_path: Path) -> None:
    context = ProviderContext(tmp_path)
    assert "network" in registry.names("network")
    driver = drivers.open_driver("network", "network", context)
    assert isinstance(driver, driving.NetworkDriver)
    driver.close()
    assert isinstance(registry.find("network").observer(context), observing.NetworkObserver)


def test_availability_is_told_with_its_reason(tmp_path: Path) -> None:
    told = survey.standings(ProviderContext(tmp_path))["network"]
    assert told == observing.survey()
    assert told.why


def test_looking_and_opening_load_neither_pyroute2_nor_asyncio(tmp_path: Path) -> None:
    ran = subprocess.run([sys.executable, "-c", PROGRAM, str(tmp_path)], capture_output=True, text=True, check=True)
    looked, opened = json.loads(ran.stdout)
    heavy = {"pyroute2", "asyncio", "pydantic"}
    assert (sorted(heavy & set(looked)), sorted(heavy & set(opened))) == ([], [])
    # A host without networks is looked at without a program being started.
    if not any(name.startswith(("hb-", "hc-")) for _, name in socket.if_nameindex()):
        assert "subprocess" not in looked


def test_the_tables_by_which_leftovers_are_noticed_are_those_of_the_rules() -> None:
    assert {network_rules.TABLE, tap_rules.TABLE, inbound.TABLE} == observing._TABLES
