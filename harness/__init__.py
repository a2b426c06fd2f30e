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
from harness.suite import Generate, LmEval, Perplexity, Probe, Sample, Suite, TrainingRecord

__all__ = [
    "Architecture",
    "Claim",
    "Dataset",
    "Embedded",
    "Files",
    "Finetune",
    "Fresh",
    "Generate",
    "Hub",
    "LmEval",
    "Lora",
    "Mean",
    "Mix",
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
