import json
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from herocloud.model.diagnostics import Diagnostic, Place
from herocloud.views import junit, sarif


def _read(text) -> Any:
    return ET.fromstring(text)  # noqa: S314 (written a line before, by us)


def test_a_plan_is_a_suite_with_a_case_for_each_change(plans, snapshot) -> None:
    assert junit.render(plans.everything()) == snapshot


def test_errors_of_a_plan_are_cases_that_failed(plans) -> None:
    root = _read(junit.render(plans.failing()))
    assert root.get("errors") == "1"
    assert root.find(".//error").get("message").startswith("error: the host is too small")


def test_what_protection_blocks_is_a_failure(plans) -> None:
    root = _read(junit.render(plans.plan(plans.delete(protected=True))))
    assert root.get("failures") == "1"


def test_an_apply_tells_failed_and_skipped_apart(plans, snapshot) -> None:
    assert junit.render_result(plans.example(), plans.partly(plans.example())) == snapshot


def test_no_findings_are_one_good_case() -> None:
    root = _read(junit.render_diagnostics([]))
    assert (root.get("tests"), root.get("errors")) == ("1", "0")


def test_letters_that_xml_cannot_hold_are_replaced(plans) -> None:
    found = Diagnostic("x", "s\x00", "bell \x07 and \x1b[31m", address="vm.<a>&")
    assert "bell \\x07 and" in _read(junit.render_diagnostics([found])).find(".//error").text


def test_sarif_of_a_plan_points_at_what_to_look_at_twice(plans, snapshot) -> None:
    assert sarif.document(plans.everything()) == snapshot


@pytest.mark.parametrize("name", ["example", "everything", "failing"])
def test_sarif_rules_and_results_agree(plans, name) -> None:
    log = json.loads(sarif.render(sarif.document(getattr(plans, name)())))
    (run,) = log["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert log["version"] == "2.1.0"
    assert len(rules) == len(set(rules))
    assert all(rules[result["ruleIndex"]] == result["ruleId"] for result in run["results"])
    assert {result["level"] for result in run["results"]} <= {"error", "warning", "note"}


def test_sarif_places_are_uris_with_regions() -> None:
    found = Diagnostic("x", "s", "d", place=Place("my stack.yaml", 3, 2, 3, 5), snippet="a b")
    (result,) = sarif.diagnostics_document([found])["runs"][0]["results"]
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "my%20stack.yaml"
    assert place["region"] == {"startLine": 3, "startColumn": 2, "endLine": 3, "endColumn": 5, "snippet": {"text": "a b"}}


def test_sarif_of_an_absolute_path_is_a_file_uri() -> None:
    found = Diagnostic("x", "s", "d", place=Place("/srv/stack.yaml", 1, 1, 1, 1))
    (result,) = sarif.diagnostics_document([found])["runs"][0]["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "file:///srv/stack.yaml"
