"""pytest for fine-tuning: recipes are values, checkpoints are fixtures, suites are tests, results are rows.

The road, one folder for each word of it. Each step takes plain values of the steps above it, and no step imports one
from below it:

    errors        every message, and what to do about it
    environment   versions, processors, threads
    files         written whole, read line by line, hashed once
    claims        what can be claimed of a score
    statistics    scores -> intervals, tests, power
    data          where rows are, how they are read, mixed, cut, split and checked
    store         whole artifacts, each by its digest
    warehouse     the store as DuckDB tables
    report        the warehouse as a page, a comment, a table
    recipe        stages of training or looking up, and what they claim
    suite         a row becomes a sample, a model is asked, an output is scored
    fingerprint   what weights, answers and scores depend on, and the digest of it
    scoring       an output -> scores, by small pure functions
    project       the recipes and suites of a project's folders
    worker        what the session and its worker processes say to each other
    models        the model worker      } the only rooms that import torch,
    training      the training worker   } and only worker processes import them
    evaluation    a suite on a checkpoint: asked, answered, scored, stored
    jobs          what is missing, run on devices by workers
    gates         claims on stored scores -> verdicts
    session       one session: options, jobs, results, report
    serving       beside the road: chat, export, serve, write, have people rate
    plugin        one door: pytest
    cli           the other: the `harness` command
"""

from harness.claims import Claim, Guard, Target
from harness.data.sources import Dataset, Embedded, Files, Hub, Mix
from harness.recipe import (
    Architecture,
    Curriculum,
    Endpoint,
    Finetune,
    Fresh,
    Gguf,
    Lora,
    OpenBook,
    Pretrain,
    Quantization,
    Recipe,
    Retrieve,
    Sweep,
    Variant,
)
from harness.report.declared import Chart, Report, Table
from harness.scoring.metrics import Mean, Ratio
from harness.suite import (
    Choices,
    Generate,
    LmEval,
    LmEvalTask,
    Overlap,
    Parity,
    Perplexity,
    Probe,
    Sample,
    Suite,
    TrainingRecord,
)

__all__ = [
    "Architecture",
    "Chart",
    "Choices",
    "Claim",
    "Curriculum",
    "Dataset",
    "Embedded",
    "Endpoint",
    "Files",
    "Finetune",
    "Fresh",
    "Generate",
    "Gguf",
    "Guard",
    "Hub",
    "LmEval",
    "LmEvalTask",
    "Lora",
    "Mean",
    "Mix",
    "OpenBook",
    "Overlap",
    "Parity",
    "Perplexity",
    "Pretrain",
    "Probe",
    "Quantization",
    "Ratio",
    "Recipe",
    "Report",
    "Retrieve",
    "Sample",
    "Suite",
    "Sweep",
    "Table",
    "Target",
    "TrainingRecord",
    "Variant",
]

__version__ = "0.1.0"
