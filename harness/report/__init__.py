"""The last step of the road: the warehouse as an HTML page, a Markdown comment and a terminal table.

declared   what a project shows: a Report of sections          write    all of it, written
load       the warehouse -> content, by the queries in sql/    custom   sections with a query of their own
content    what a report is about, as frozen values            sampling which samples are loaded
tables, ranking, sweeps, curricula, ratings, cost, history, settings, versions, words   content arranged and put in words
page, markdown, terminal                 content -> HTML, Markdown, text
charts, trends   content -> SVG, by drawing;   own_chart   by Altair;   browser_data, letters   samples -> the page
"""

from harness.report.declared import (
    Chart,
    Contamination,
    Cost,
    Curricula,
    FirstLook,
    History,
    Lineage,
    Matrix,
    Ranking,
    Ratings,
    Report,
    Samples,
    Section,
    Seeds,
    Ship,
    Sweeps,
    Table,
    Training,
    Verdicts,
)

__all__ = [
    "Chart",
    "Contamination",
    "Cost",
    "Curricula",
    "FirstLook",
    "History",
    "Lineage",
    "Matrix",
    "Ranking",
    "Ratings",
    "Report",
    "Samples",
    "Section",
    "Seeds",
    "Ship",
    "Sweeps",
    "Table",
    "Training",
    "Verdicts",
]
