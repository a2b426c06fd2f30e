"""What a session of this project shows: everything there is, verdicts first."""

from harness import Report
from harness.report import (
    Contamination,
    Cost,
    FirstLook,
    History,
    Lineage,
    Matrix,
    Ranking,
    Samples,
    Seeds,
    Training,
    Verdicts,
)

REPORT = Report(
    name="report",
    sections=[
        Verdicts(),
        FirstLook(),
        Matrix(),
        Ranking(),
        Contamination(),
        Seeds(),
        History(),
        Cost(),
        Training(),
        Lineage(),
        Samples(),
    ],
)
