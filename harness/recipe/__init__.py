"""Recipes: what to train, and what it claims. Plain frozen values; nothing here reads a file.

The start of the road: a recipe file declares one `Recipe`, the session takes the variants of its scale.

bases       what training starts from
training    stages that change weights
lookup      stages that put passages before questions instead
subject     recipes, variants, and the subjects that are measured
sweep       a recipe under several settings
curriculum  recipes taught one after another
"""

from harness.recipe.bases import Architecture, Endpoint, Gguf
from harness.recipe.curriculum import Curriculum
from harness.recipe.lookup import Lookup, OpenBook, Retrieve
from harness.recipe.subject import Fresh, Recipe, Subject, Variant
from harness.recipe.sweep import Point, Sweep
from harness.recipe.training import (
    Finetune,
    FinetuneSettings,
    Lora,
    Pretrain,
    PretrainSettings,
    Quantization,
    Stage,
    TrainingSettings,
)

__all__ = [
    "Architecture",
    "Curriculum",
    "Endpoint",
    "Finetune",
    "FinetuneSettings",
    "Fresh",
    "Gguf",
    "Lookup",
    "Lora",
    "OpenBook",
    "Point",
    "Pretrain",
    "PretrainSettings",
    "Quantization",
    "Recipe",
    "Retrieve",
    "Stage",
    "Subject",
    "Sweep",
    "TrainingSettings",
    "Variant",
]
