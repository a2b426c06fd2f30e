"""What every test of the report stands on: an open results file with the tables and no rows."""

import pytest

from tests.report_rows import empty_warehouse


@pytest.fixture
def warehouse(tmp_path):
    with empty_warehouse(tmp_path / "results.duckdb") as connection:
        yield connection
