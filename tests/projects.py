"""A small real project for tests: a two-layer model with a byte tokenizer, trained for a few steps."""

import os
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent

CONFTEST = '''
pytest_plugins = ["harness.plugin"]

def pytest_unconfigure(config):
    """Say what this process has loaded, for the test that looks."""
    import sys
    from pathlib import Path
    heavy = ("torch", "transformers", "peft", "trl", "lm_eval", "datasets", "duckdb", "pandas")
    Path(config.rootpath, "loaded.txt").write_text(" ".join(name for name in heavy if name in sys.modules))
'''

DATASETS = """
from harness import Dataset, Embedded

TEXT = Dataset(name="text", mini=Embedded("stories", text="text"))
TALK = Dataset(name="talk", mini=Embedded("instructions"))
PROMPTS = Dataset(name="prompts", mini=Embedded("first_look"))
"""

RECIPES = '''
"""Two stages and two fine-tunings over them: the smallest of everything."""

from harness import Architecture, Claim, Finetune, Lora, Mix, Pretrain, Recipe, Variant
from recipes.datasets import TALK, TEXT

TINY = Architecture(hidden_size=32, layers=2, heads=2, key_value_heads=2, intermediate_size=64,
                    vocabulary_size=300, context_length=128)
GROUND = Recipe(
    name="ground",
    stages=[Pretrain(data=Mix(TEXT.rows(mini=20)), held_out=Mix(TEXT.rows(mini=20).held_out(1, mini=6)),
                     learning_rate=1e-2, epochs=1, effective_batch_size=4)],
    variants=[Variant("mini", base=TINY, scale="mini", save_steps=5)],
)
ROWS = TALK.rows(mini=24)
PLAIN = Recipe(
    name="plain",
    stages=[Finetune(data=Mix(ROWS), held_out=Mix(ROWS.held_out(1, mini=8)), adapter=Lora(rank=4, dropout=0.1),
                     learning_rate=LEARNING_RATE, epochs=2, effective_batch_size=4, max_length=128)],
    variants=[Variant("mini", base=GROUND["mini"], scale="mini", save_steps=3)],
    claims=[Claim("look", "words", lower_than="other", words="answers are shorter than other's"),
            Claim("look", "nonempty", equals=1.0)],
)
OTHER = Recipe(
    name="other",
    stages=[Finetune(data=Mix(ROWS), learning_rate=5e-3, epochs=1, effective_batch_size=8, max_length=128)],
    variants=[Variant("mini", base=GROUND["mini"], scale="mini")],
)
'''

SUITE = '''
"""Answers to a few prompts: their length, and whether there are any."""

from harness import Generate, Sample, Suite
from recipes.datasets import PROMPTS


def to_sample(row):
    return Sample(id=row["id"], prompt=row["prompt"])


def length(sample, output):
    return {"words": float(len(output["completion"].split())), "nonempty": float(bool(output["completion"]))}


LOOK = Suite(name="look", dataset=PROMPTS, to_sample=to_sample, asks=[Generate(max_new_tokens=8)], scorer=length)


def test_look(checkpoint, evaluate):
    evaluation = evaluate(LOOK, checkpoint)
    assert evaluation.scored == len(LOOK.dataset) == 20


def test_gate(verdict):
    assert verdict.passed, verdict.message
'''


def write_project(root: Path, learning_rate: float = 5e-3) -> Path:
    """The project's files below `root`."""
    files = {
        "conftest.py": CONFTEST,
        "pyproject.toml": "[tool.pytest.ini_options]\npythonpath = ['.']\naddopts = '--import-mode=importlib'\n",
        "recipes/datasets.py": DATASETS,
        "recipes/tiny.py": RECIPES.replace("LEARNING_RATE", repr(learning_rate)),
        "suites/test_look.py": SUITE,
    }
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.lstrip())
    return root


def environment() -> dict[str, str]:
    """The surroundings of a session started by a test: this harness, one thread, no hub."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "COLUMNS": "120"}


def start_session(root: Path, *arguments: str) -> subprocess.Popen[str]:
    """A pytest session in the project, as a user starts it."""
    return subprocess.Popen(
        [sys.executable, "-m", "pytest", "suites/", "-p", "no:cacheprovider", *arguments],
        cwd=root, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # ignored below a background job
    )  # fmt: skip


def run_session(root: Path, *arguments: str) -> tuple[int, str]:
    """Exit status and output of a whole session."""
    process = start_session(root, *arguments)
    output, _ = process.communicate(timeout=600)
    return process.returncode, output


def run_harness(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The `harness` command in the project."""
    return subprocess.run(
        [sys.executable, "-m", "harness", *arguments],
        cwd=root, env=environment(), capture_output=True, text=True, timeout=300,
    )  # fmt: skip
