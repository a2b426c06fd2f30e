"""pytest for fine-tuning: recipes are values, checkpoints are fixtures, suites are tests, results are rows."""

from harness.data.sources import Dataset, Embedded, Files, Hub, Mix
from harness.recipe import (
    Architecture,
    Claim,
    Finetune,
    Fresh,
    Lora,
    Pretrain,
    Quantization,
    Recipe,
    Target,
    Variant,
)
from harness.scoring.metrics import Mean, Ratio
from harness.suite import (
    Choices,
    Generate,
    Guard,
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
    "Sample",
    "Suite",
    "Target",
    "TrainingRecord",
    "Variant",
]

__version__ = "0.1.0"
