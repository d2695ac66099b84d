from herocloud.model.diagnostics import Diagnostic, Place
from herocloud.model.words import Severity
from herocloud.views import diagnostic_text


def test_findings_are_ordered_by_place_and_counted(plans, snapshot) -> None:
    assert diagnostic_text.render([plans.does_not_fit(), plans.mistake(), plans.warning()]) == snapshot


def test_nothing_found_says_nothing() -> None:
    assert diagnostic_text.render([]) == ""


def test_the_same_finding_twice_is_shown_once(plans) -> None:
    assert diagnostic_text.render([plans.mistake(), plans.mistake()]).endswith("\n\n1 error")


def test_the_caret_underlines_exactly_the_range(plans) -> None:
    lines = diagnostic_text.render_one(plans.mistake()).splitlines()
    source, carets = lines[3], lines[4]
    begin = carets.index("^")
    assert source[begin : begin + carets.count("^")] == "vcpu"


def test_tabs_before_the_range_are_repeated_before_the_caret() -> None:
    found = Diagnostic("x", "s", "d", place=Place("a.yaml", 1, 3, 1, 4), snippet="\t\tx: 1")
    assert "| \t\t^" in diagnostic_text.render_one(found)


def test_a_range_over_several_lines_is_underlined_to_the_end_of_the_first() -> None:
    found = Diagnostic("x", "s", "d", place=Place("a.yaml", 1, 3, 4, 1), snippet="a: [1,")
    assert diagnostic_text.render_one(found).count("^") == 4


def test_a_very_long_line_is_cut_around_the_caret() -> None:
    found = Diagnostic("x", "s", "d", place=Place("a.yaml", 1, 5001, 1, 5004), snippet="a" * 5000 + "bad" + "c" * 5000)
    source, carets = diagnostic_text.render_one(found).splitlines()[3:5]
    assert len(source) < 200
    begin = carets.index("^")
    assert source[begin : begin + 3] == "bad"


def test_a_column_past_the_line_still_has_a_caret() -> None:
    found = Diagnostic("x", "s", "d", place=Place("a.yaml", 1, 10, 1, 10), snippet="ab")
    assert "^" in diagnostic_text.render_one(found)


def test_several_lines_of_detail_are_all_indented() -> None:
    assert diagnostic_text.render_one(Diagnostic("x", "s", "first\n\nsecond")) == "error: s\n  first\n\n  second"


def test_documents_count_and_tell_validity(plans, check) -> None:
    document = diagnostic_text.documents([plans.warning(), plans.mistake()])
    check("diagnostics", document)
    assert (document["valid"], document["error_count"], document["warning_count"]) == (False, 1, 1)
    assert diagnostic_text.documents([plans.warning()])["valid"] is True


def test_a_finding_without_a_place_has_no_range(plans) -> None:
    assert diagnostic_text.document(plans.does_not_fit())["range"] is None


def test_notes_are_counted_apart_from_errors() -> None:
    assert diagnostic_text.tally([Diagnostic("n", "s", "d", Severity.NOTE), Diagnostic("e", "s", "d")]) == "1 error, 1 note"
