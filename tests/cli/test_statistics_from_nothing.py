"""The four commands of docs/experiments.md, against servers on loopback: from nothing to rows that stats_qlora trains on."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

for library in ("requests", "markdownify", "openai", "py3langid"):
    pytest.importorskip(library)

from tests import arxiv_server, stackexchange_server
from tests.projects import environment
from tests.scripted import asked_about, said, scripted

ROOT = Path(__file__).parents[2]


def about(body):
    """Two pairs about the paper of a request, from its abstract's own words."""
    text = re.search(r"Text: (.*)", asked_about(body), re.DOTALL)[1]
    title, abstract = text.split("\n\n", 1)
    first = abstract.split(".")[0]
    return 200, said(
        json.dumps({"pairs": [{"question": f"What is known about {title}?", "answer": f"It is known that {first}."}]})
    )


def test_the_statistics_data_is_built_by_the_four_commands_as_documented(tmp_path):
    page = (ROOT / "docs" / "experiments.md").read_text()
    [block] = re.findall(r"^```\n(harness data stackexchange.*?)^```", page, re.MULTILINE | re.DOTALL)
    commands = [shlex.split(line) for line in block.splitlines()]
    assert [command[2] for command in commands] == ["stackexchange", "arxiv", "generate", "check"]
    site = stackexchange_server.Site(
        [stackexchange_server.question(own, score=30, tags=("ab-test",)) for own in range(1, 4)],
        [stackexchange_server.answer(100 + own, own) for own in range(1, 4)],
    )
    archive = arxiv_server.Archive([(f"2103.0000{i}", f"Online experiments with design {i}") for i in range(1, 6)])
    with (
        stackexchange_server.serving(site) as posts,
        arxiv_server.serving(archive) as papers,
        scripted(about) as model,
    ):
        served = {
            "stackexchange": ["--api-url", posts],
            "arxiv": ["--api-url", papers],
            "generate": ["--endpoint", model.url],
            "check": ["--no-suites"],
        }
        for command in commands:
            done = subprocess.run(
                [sys.executable, "-m", *command, *served[command[2]]], cwd=tmp_path, env=environment(), capture_output=True, text=True
            )  # fmt: skip
            assert done.returncode == 0, (command, done.stdout, done.stderr)
    assert "by template" in done.stdout

    from harness.data.reading.rows import Access, load
    from recipes.datasets import CROSS_VALIDATED, STATISTICS_PAPERS

    access = Access("full", tmp_path / "data")
    answers = load(CROSS_VALIDATED.rows(3), access).rows
    assert len(answers) == 3
    assert all(row["url"].startswith("https://") for row in answers)
    pairs = load(STATISTICS_PAPERS.rows(5), access).rows
    assert len(pairs) == 5
    assert all(row["citation"] for row in pairs)
