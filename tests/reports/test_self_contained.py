import base64
import hashlib
import re
import shutil
import subprocess

import pytest

from herocloud.model.plans import FieldDiff
from herocloud.reports import html

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'&`<b>`"


def _pages(plans) -> list[str]:
    example = plans.example()
    return [html.render_plan(plans.everything()), html.render_result(example, plans.partly(example))]


def test_pages_refer_to_nothing_outside_of_them(plans, read) -> None:
    for source in _pages(plans):
        for tag, attributes in read(source).tags:
            assert tag not in {"script", "link", "img", "iframe", "object", "form", "base"}
            assert not {"src", "href", "srcset", "action", "style"} & set(attributes)
            assert not [name for name in attributes if name.startswith("on")]
        assert not re.search(r"url\(|@import|https?://", source)


def test_the_policy_lets_in_this_style_sheet_and_nothing_else(plans) -> None:
    for source in _pages(plans):
        css = re.search(r"<style>(.*?)</style>", source, re.DOTALL).group(1)
        digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
        policy = re.search(r'Content-Security-Policy" content="([^"]*)"', source).group(1)
        wanted = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
        assert policy.replace("&#39;", "'").replace("&#43;", "+") == wanted


def test_no_value_becomes_markup(plans, read) -> None:
    change = plans.update()._replace(fields=(FieldDiff("labels.note", HOSTILE, "x", why=HOSTILE),), note=HOSTILE)
    plan = plans.plan(
        change,
        plans.create(labels={"a": HOSTILE}),
        host=HOSTILE,
        outputs={HOSTILE: HOSTILE},
        diagnostics=(plans.mistake()._replace(detail=HOSTILE, hint=HOSTILE, snippet=HOSTILE),),
    )
    tags = {tag for tag, _ in read(html.render_plan(plan)).tags}
    assert not tags & {"script", "img"}
    assert "<script" not in html.render_plan(plan)
    assert "<img" not in html.render_plan(plan)


def test_no_page_shows_a_sensitive_value(plans) -> None:
    assert "hunter" not in html.render_plan(plans.plan(plans.secret_update()))


def test_backticks_of_messages_become_code_and_stay_escaped() -> None:
    assert html.mark_ticks("set `a<b>` now") == "set <code>a&lt;b&gt;</code> now"
    assert html.mark_ticks("one ` alone") == "one ` alone"


def test_templates_are_found_in_a_package_without_a_checkout(tmp_path, monkeypatch) -> None:
    shipped = tmp_path / "herocloud" / "_shipped" / "report_templates"
    shutil.copytree(html.find_templates(), shipped)
    monkeypatch.setattr(html, "__file__", str(tmp_path / "herocloud" / "reports" / "loading.py"))
    assert html.find_templates() == shipped


def test_an_installation_without_templates_says_so(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(html, "__file__", str(tmp_path / "herocloud" / "reports" / "loading.py"))
    with pytest.raises(FileNotFoundError, match="this installation is incomplete"):
        html.find_templates()


@pytest.mark.browser
def test_a_browser_shows_the_page_and_refuses_nothing_in_it(plans, tmp_path) -> None:
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no Chromium on PATH, so no real browser can judge the page")
    (tmp_path / "plan.html").write_text(html.render_plan(plans.everything()), encoding="utf-8")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
    flags += ["--disable-component-update", "--disable-sync", "--enable-logging=stderr", f"--user-data-dir={tmp_path / 'profile'}"]
    ended = subprocess.run(
        [browser, *flags, f"--screenshot={tmp_path / 'plan.png'}", f"file://{tmp_path / 'plan.html'}"],
        capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert (tmp_path / "plan.png").stat().st_size > 10_000, ended.stderr
    assert "Content Security Policy" not in ended.stderr
