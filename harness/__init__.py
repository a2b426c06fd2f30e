"""pytest for fine-tuning: recipes are values, checkpoints are fixtures, suites are tests, results are rows.

The road, one folder for each word of it. Each step takes the previous step's plain value and knows nothing of the
later ones:

    recipe, claims, data     what is declared: stages of training, what they claim, where rows are
    suite                    what is measured: a row becomes a sample, a model is asked, an output is scored
    fingerprint              what weights, answers and scores depend on, and the digest of it
    store                    whole artifacts by that digest
    worker                   what the session and its worker processes say to each other
    training                 the training worker      } the only rooms that import torch,
    models                   the model worker         } and only worker processes import them
    scoring                  an output -> scores, small pure functions
    statistics               scores -> intervals, tests, power
    evaluation               a suite on a checkpoint: asked, answered, scored, stored
    project                  the recipes, suites and reports of a project's folders
    jobs                     what is missing, run on devices by workers
    gates                    claims on stored scores -> verdicts
    warehouse                the store as DuckDB tables
    report                   the warehouse as a page, a comment, a table
    session                  one session: options, jobs, results
    serving                  beside the road: chat, export, serve
    plugin, cli              the two doors: pytest and the `harness` command

Beneath them lie `errors`, `files` (written whole, hashed once) and `environment` (versions, threads).
"""

from harness.claims import Claim, Guard, Target
from harness.data.sources import Dataset, Embedded, Files, Hub, Mix
from harness.recipe import (
    Architecture,
    Finetune,
    Fresh,
    Lora,
    Pretrain,
    Quantization,
    Recipe,
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
    "Dataset",
    "Embedded",
    "Files",
    "Finetune",
    "Fresh",
    "Generate",
    "Guard",
    "Hub",
    "LmEval",
    "LmEvalTask",
    "Lora",
    "Mean",
    "Mix",
    "Overlap",
    "Parity",
    "Perplexity",
    "Pretrain",
    "Probe",
    "Quantization",
    "Ratio",
    "Recipe",
    "Report",
    "Sample",
    "Suite",
    "Table",
    "Target",
    "TrainingRecord",
    "Variant",
]

__version__ = "0.1.0"
