"""Stages that take training steps: next-token training on text, supervised training on conversations."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

from harness.data.sources import Dataset, Mix, Rows
from harness.errors import RecipeError, check_types


@dataclass(frozen=True, kw_only=True)
class Lora:
    """Low-rank adaptation (Hu et al. 2021, arXiv:2106.09685) of all linear layers but the head, or of those named."""

    rank: int
    alpha: int | None = None  # default: 2 x rank
    dropout: float = 0.0
    target_modules: tuple[str, ...] | None = None  # names of linear layers, such as "q_proj"; None: all of them
    use_rslora: bool = False  # scaled by alpha / sqrt(rank) (Kalajdzievski 2023, arXiv:2312.03732)
    use_dora: bool = False  # magnitudes trained apart from directions (Liu et al. 2024, arXiv:2402.09353)
    modules_to_save: tuple[str, ...] = ()  # modules that are trained whole beside it, such as "lm_head"

    def __post_init__(self) -> None:
        check_types(self, RecipeError)
        if self.target_modules is not None:
            object.__setattr__(self, "target_modules", tuple(self.target_modules))
        object.__setattr__(self, "modules_to_save", tuple(self.modules_to_save))
        if self.target_modules == ():
            raise RecipeError("Lora: target_modules names no layer.", "Leave it out for all linear layers.")
        if self.rank < 1:
            raise RecipeError(f"Lora: rank {self.rank} is not positive.", "Use 8, 16 or 32.")
        if not 0 <= self.dropout < 1:
            raise RecipeError(f"Lora: dropout {self.dropout} is not in [0, 1).")
        if self.alpha is None:
            object.__setattr__(self, "alpha", 2 * self.rank)


@dataclass(frozen=True, kw_only=True)
class Quantization:
    """NF4 base weights with double quantization, as in QLoRA (Dettmers et al. 2023, arXiv:2305.14314)."""

    bits: Literal[4] = 4
    double: bool = True
    compute: Literal["bfloat16", "float32"] = "bfloat16"

    def __post_init__(self) -> None:
        check_types(self, RecipeError)


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """How an optimizer run goes. Every field changes the weights, so every field is part of the fingerprint."""

    learning_rate: float
    min_learning_rate: float = 0.0  # where the cosine ends
    warmup_steps: int = 0
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    epochs: float
    effective_batch_size: int  # rows per optimizer step
    weight_decay: float = 0.0
    betas: tuple[float, float] = (0.9, 0.999)
    epsilon: float = 1e-8
    max_grad_norm: float = 1.0
    precision: Literal["auto", "float32", "bfloat16"] = "auto"  # auto: bfloat16 where a GPU has it, else float32
    optimizer: Literal["adamw", "adamw_fused", "adamw_8bit"] = "adamw"  # 8-bit: Dettmers et al. 2021, arXiv:2110.02861

    def __post_init__(self) -> None:
        name = type(self).__name__
        for what in ("data", "held_out"):
            if isinstance(rows := getattr(self, what, None), Dataset | Rows):
                given = f"the {type(rows).__name__} {_name_of(rows)!r}"
                raise RecipeError(
                    f"{name}: {what} is {given}, and has to be a Mix.", f"Write {what}=Mix(...) around it."
                )
        check_types(self, RecipeError)
        for what in ("learning_rate", "epochs", "effective_batch_size", "max_grad_norm"):
            if not getattr(self, what) > 0:
                raise RecipeError(f"{name}: {what} {getattr(self, what)!r} is not positive.")
        if not 0 <= self.min_learning_rate <= self.learning_rate:
            raise RecipeError(
                f"{name}: min_learning_rate {self.min_learning_rate} is not between 0 and "
                f"learning_rate {self.learning_rate}."
            )
        if self.min_learning_rate and self.schedule != "cosine":
            raise RecipeError(f"{name}: schedule {self.schedule!r} has no min_learning_rate.", "Use 'cosine'.")
        if self.warmup_steps < 0:
            raise RecipeError(f"{name}: warmup_steps {self.warmup_steps} is negative.")


@dataclass(frozen=True, kw_only=True)
class PretrainSettings(TrainingSettings):
    """How next-token training on text goes."""

    packing: bool = True  # a row is a block of the joined documents; else a document, cut at block_length
    block_length: int | None = None  # tokens; default: the model's whole context
    weight_decay: float = 0.1
    betas: tuple[float, float] = (0.9, 0.95)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.block_length is not None and self.block_length < 8:
            raise RecipeError(f"Pretrain: block_length {self.block_length} leaves nothing to predict from.")


@dataclass(frozen=True, kw_only=True)
class FinetuneSettings(TrainingSettings):
    """How supervised training on conversations goes."""

    adapter: Lora | None = None  # None: all weights
    quantization: Quantization | None = None
    max_length: int = 1024  # tokens; longer rows are cut, counted and reported
    template: Literal["base", "chatml"] = "base"  # base: the base model's own

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.quantization and not self.adapter:
            raise RecipeError(
                "Finetune: quantization without adapter: 4-bit weights cannot be trained.",
                "Add adapter=Lora(rank=16).",
            )
        if self.max_length < 8:
            raise RecipeError(f"Finetune: max_length {self.max_length} leaves no room for an answer.")


@dataclass(frozen=True, kw_only=True)
class _Reads:
    """What a stage reads. The training rows enter the fingerprint by their bytes; held-out rows change no weight."""

    data: Mix
    held_out: Mix | None = None  # rows for the evaluation loss
    eval_steps: int | None = None  # steps between looks at the held-out loss; default: four looks in a training

    def __post_init__(self) -> None:
        if self.eval_steps is not None and self.eval_steps < 1:
            raise RecipeError(f"{type(self).__name__}: eval_steps {self.eval_steps} is not positive.")


@dataclass(frozen=True, kw_only=True)
class Pretrain(PretrainSettings, _Reads):
    """Next-token training on text. From an `Architecture` it starts with fresh weights; from any other base it
    continues from that base's weights and tokenizer.
    """

    def __post_init__(self) -> None:
        PretrainSettings.__post_init__(self)
        _Reads.__post_init__(self)

    @property
    def settings(self) -> PretrainSettings:
        """All of the stage that changes the weights, but for its rows."""
        return PretrainSettings(**{field.name: getattr(self, field.name) for field in fields(PretrainSettings)})


@dataclass(frozen=True, kw_only=True)
class Finetune(FinetuneSettings, _Reads):
    """Supervised training on the assistant's tokens only; a row is one conversation."""

    def __post_init__(self) -> None:
        FinetuneSettings.__post_init__(self)
        _Reads.__post_init__(self)

    @property
    def settings(self) -> FinetuneSettings:
        """All of the stage that changes the weights, but for its rows."""
        return FinetuneSettings(**{field.name: getattr(self, field.name) for field in fields(FinetuneSettings)})


Stage = Pretrain | Finetune


def _name_of(rows: Dataset | Rows) -> str:
    return rows.name if isinstance(rows, Dataset) else rows.dataset.name
