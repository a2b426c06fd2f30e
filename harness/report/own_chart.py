"""A declared chart of a query's rows -> static SVG, drawn by Altair and vl-convert in the page's colours and letters.

Loading the two takes longer than the whole of a report without such a chart: page.py imports this where one is declared.
"""

import math
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import altair
import vl_convert

from harness.errors import ReportError
from harness.report.drawing import ACCENT, LINES, MUTED, RULE, WIDTH, framed

HEIGHT = 180  # of the plot, in pixels
DROPPED = r' (?:class|role|aria-[a-z]+|pointer-events|opacity|stroke-miterlimit|font-family)="[^"]*"'  # of the SVG

CONFIG = {
    "aria": False,  # the page describes each chart and gives its numbers as a table
    "background": "transparent",
    "font": "sans-serif",
    "padding": {"left": 0, "right": 0, "top": 2, "bottom": 2},
    "view": {"stroke": None},
    "axis": {
        "labelColor": MUTED, "titleColor": MUTED, "gridColor": RULE, "domainColor": RULE, "tickColor": RULE,
        "labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal", "labelLimit": 120,
    },
    "legend": {
        "labelColor": MUTED, "titleColor": MUTED, "labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal",
        "labelLimit": 120, "orient": "bottom", "columns": 2,
    },
    "range": {"category": LINES},
}  # fmt: skip


def own_chart(mark: str, encode: Mapping[str, str], columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A chart of a query's rows; ReportError where a channel names no column, or Altair refuses it."""
    used = {channel: re.split(r"[:(]", column.split("(")[-1])[0].strip(" )") for channel, column in encode.items()}
    missing = next((name for name in used.values() if name and name not in columns), None)
    if missing is not None:
        raise ReportError(f"the query has no column {missing!r} (it has: {', '.join(columns)}).")
    values = [{name: _json(value) for name, value in zip(columns, row, strict=True)} for row in rows]
    try:
        chart = altair.Chart(altair.Data(values=values))
        chart = getattr(chart, f"mark_{mark}")(**({} if "color" in encode else {"color": ACCENT})).encode(**encode)
        whole = altair.AutoSizeParams(
            type="fit-x", contains="padding"
        )  # long labels take room from the plot, not from the size of letters
        return _svg(chart.properties(width=WIDTH, height=HEIGHT, autosize=whole))
    except Exception as error:  # whatever Altair and vl-convert say of the user's encoding
        raise ReportError(str(error).strip().split("\n")[0]) from None


def _json(value: Any) -> Any:
    """A value as JSON: times as text, decimals as numbers, null for a number that is not finite."""
    if isinstance(value, float | Decimal):
        return float(value) if math.isfinite(value) else None
    return value if value is None or isinstance(value, str | int) else str(value)


def _svg(chart: Any) -> str:
    """The drawing without attributes that the page does not use, coordinates with one decimal."""
    drawn = vl_convert.vegalite_to_svg(chart.configure(**CONFIG).to_json(indent=None, validate=False))
    width, height = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', drawn).groups()  # type: ignore[union-attr]
    drawn = re.sub(r"^<svg[^>]*>|</svg>$", "", drawn)
    drawn = re.sub(r'<path class="(?:fore|back)ground"[^>]*/>', "", drawn)
    drawn = re.sub(DROPPED, "", drawn)
    drawn = re.sub(r"<[^>]*>", lambda tag: re.sub(r"\d+\.\d{2,}", lambda n: f"{float(n[0]):.1f}", tag[0]), drawn)
    return framed(drawn, float(width), float(height))
