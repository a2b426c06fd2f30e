"""What a session of this project shows: everything there is, first whether it can be shipped."""

from harness import Report
from harness.report import (
    Contamination,
    Cost,
    Curricula,
    FirstLook,
    History,
    Lineage,
    Matrix,
    Ranking,
    Ratings,
    Samples,
    Seeds,
    Ship,
    Sweeps,
    Training,
    Verdicts,
)

REPORT = Report(
    name="report",
    sections=[
        Ship(),
        Verdicts(),
        FirstLook(),
        Matrix(),
        Ranking(),
        Sweeps(),
        Curricula(),
        Ratings(),
        Contamination(),
        Seeds(),
        History(),
        Cost(),
        Training(),
        Lineage(),
        Samples(),
    ],
)
