"""The command itself: its version, and that it says what it can do."""

from importlib.metadata import version

from typer.testing import CliRunner

from harness.cli.main import app


def test_it_tells_its_version():
    done = CliRunner().invoke(app, ["--version"])
    assert (done.exit_code, done.stdout) == (0, f"harness {version('harness')}\n")


def test_without_a_command_it_lists_them():
    done = CliRunner().invoke(app, [])
    assert {"plan", "compare", "report"} <= set(done.output.split())
