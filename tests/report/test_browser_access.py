"""The page under axe-core's rules: wide and narrow, light and dark, with everything opened."""

import importlib.util
import json
from pathlib import Path

import pytest

from harness.report.load import load
from harness.report.page import write_html
from tests.report_rows import build_long_warehouse

AXE = importlib.util.find_spec("axe_playwright_python")
pytestmark = pytest.mark.skipif(AXE is None, reason="axe-playwright-python, which brings axe-core, is not installed")


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    with build_long_warehouse(folder / "results.duckdb") as connection:
        write_html(load(connection), folder / "report.html")
    return folder / "report.html"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
def test_page_breaks_no_rule_of_axe(chromium, report, width, scheme):
    context = chromium.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=True, reduced_motion="reduce"
    )
    page = context.new_page()
    page.goto(report.as_uri())
    page.wait_for_selector("#samples:not([aria-busy])")
    page.select_option("#suite", "first_look")
    page.select_option("#candidate", "base-mini")
    page.evaluate("document.querySelectorAll('details').forEach((details) => { details.open = true; })")
    page.evaluate((Path(AXE.origin).parent / "axe.min.js").read_text(encoding="utf-8"))
    found = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
    context.close()
    told = [
        {"rule": rule["id"], "help": rule["help"], "where": [node["target"] for node in rule["nodes"]][:5]}
        for rule in found["violations"]
    ]
    assert not told, json.dumps(told, indent=1)
