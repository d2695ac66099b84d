"""The rest of herocloud gets at the provider by its name and role, and only then."""

import pytest

from herocloud.model.errors import Refused
from herocloud.providers import drivers, registry
from herocloud.providers.images import intake, store_audit
from herocloud.providers.images.intake import Order
from herocloud.providers.seam import ProviderContext


def test_the_registry_opens_it_for_its_role_and_no_other(tmp_path, shapes) -> None:
    context = ProviderContext(tmp_path / "data")
    drivers.open_driver("images", "images", context).close()
    declaration = registry.find("images")
    keeper = declaration.images.keeper(context)
    assert keeper.tombstones() == []
    keeper.close()
    with pytest.raises(Refused, match="`images` plays `images`, and not `hypervisor`"):
        drivers.open_driver("images", "hypervisor", context)
    assert declaration.observer(context).observe(None).things == {}
    assert declaration.survey(context, thorough=True).usable


def test_an_image_can_be_pulled_before_any_stack_asks_for_it(bench, raw, shapes) -> None:
    body = shapes.image(str(raw))
    entry = intake.pull(bench.folder, shapes.ROOMY, Order(body, "debian"))
    (stored,) = store_audit.list_contents(bench.folder)
    assert (stored.entry, stored.users) == (entry, ())
    raw.rename(raw.with_name("elsewhere"))
    assert store_audit.prune(bench.folder, rehearse=True).contents == (stored,)
