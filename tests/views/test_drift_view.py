from herocloud.model.applies import Pending
from herocloud.model.plans import Drift
from herocloud.model.words import Cause
from herocloud.reports import html
from herocloud.views import drift, markdown, phrases, text


def test_drift_is_told_by_address_and_part(plans, snapshot) -> None:
    assert drift.render("shop", plans.everything().drift) == snapshot


def test_no_drift_is_one_line() -> None:
    assert drift.render("shop", []) == "No drift."


def test_everything_that_is_gone_from_an_address_is_one_line() -> None:
    found = [Drift("vm.a", "vm", part, {"x": 1}, None) for part in ("disk", "machine", "power")]
    assert "vm.a   disk, machine, power are gone" in drift.render("shop", found)


def test_a_single_value_that_drifted_is_shown_in_its_unit() -> None:
    found = [Drift("vm.a", "vm", "machine.memory", 4 * 1024**3, 2 * 1024**3)]
    assert "machine.memory 4 GiB → 2 GiB" in drift.render("shop", found)


def test_what_nobody_made_is_said_to_be_there() -> None:
    assert "nic.1 is there and was not made by herocloud" in drift.render("shop", [Drift("vm.a", "vm", "nic.1", None, {"mac": "x"})])


def test_the_document_tells_whether_anything_drifted(plans) -> None:
    document = drift.document("shop", plans.everything().drift)
    assert document["drifted"] is True
    assert [entry["change"]["actions"] for entry in document["resource_drift"]] == [["update"], ["delete"]]
    assert drift.document("shop", [])["drifted"] is False


def test_a_field_that_is_recorded_nowhere_is_shown_with_its_value() -> None:
    text = drift.render("shop", [Drift("mycelium.node", "mycelium", "overlay.mtu", None, 1500)])
    assert "overlay.mtu is 1500" in text
    assert "was not made by herocloud" not in text


def test_what_an_apply_left_stands_apart_from_what_changed_outside() -> None:
    left = [
        Drift("vm.a", "vm", "state", None, "not there", Cause.FAILED_APPLY),
        Drift("vm.a", "vm", "disk", None, "half made", Cause.FAILED_APPLY),
    ]
    text = drift.render("shop", left)
    assert text.startswith("Left by an apply that did not succeed, stack shop:")
    assert "Changed outside herocloud" not in text
    assert "`herocloud plan` shows what would complete or remove what is left." in text
    both = drift.render("shop", [*left, Drift("network.lan", "network", "network", {"x": 1}, None)])
    mine, outside = both.split("Changed outside herocloud, stack shop:")
    assert "disk is half made" in mine
    assert "network is gone" in outside
    assert "complete or remove what is left, and bring back the recorded state." in outside


def test_the_document_tells_what_an_apply_left() -> None:
    found = [
        Drift("vm.a", "vm", "disk.new", None, "half made", Cause.FAILED_APPLY),
        Drift("vm.b", "vm", "disk", None, "half made", Cause.UNFINISHED_APPLY),
        Drift("vm.a", "vm", "power", "running", "stopped"),
    ]
    entries = drift.document("shop", found)["resource_drift"]
    assert [entry["left_by_apply"] for entry in entries] == [True, True, False]
    assert [entry["cause"] for entry in entries] == ["failed_apply", "unfinished_apply", "outside"]


def test_every_cause_has_a_header_of_its_own_in_every_view(plans) -> None:
    found = tuple(Drift("vm.a", "vm", cause.value, None, 1, cause) for cause in Cause)
    plan = plans.everything()._replace(drift=found)
    pages = {
        "drift": drift.render("shop", found),
        "text": text.render_plan(plan),
        "markdown": markdown.render(plan),
        "html": html.render_plan(plan),
    }
    for name, page in pages.items():
        places = [page.index(header) for header in phrases.CAUSES.values()]
        assert places == sorted(places), name
        for cause, header in phrases.CAUSES.items():
            below = page[page.index(header) :]
            assert f"{cause.value} is 1" in "\n".join(below.splitlines()[:7]), (name, header)


def test_an_apply_that_is_not_finished_is_drift_even_if_nothing_differs_yet() -> None:
    pending = Pending(2, "p", "shop", "apply", "running", 0.0)
    document = drift.document("shop", [], [pending])
    assert (document["drifted"], document["resource_drift"]) == (True, [])
