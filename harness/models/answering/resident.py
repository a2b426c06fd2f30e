"""What a model worker keeps from one request to the next: one model, whose adapters are exchanged, and tokenized texts."""

from __future__ import annotations

from typing import Any

from harness.models.answering.engine import Engine
from harness.models.loading.load import add_adapter, load_model, load_tokenizer
from harness.models.answering.prompts import Prompts


class Resident:
    """The model in memory. At most one: two may not fit."""

    def __init__(self) -> None:
        self.current: Engine | None = None
        self.prompts: dict[tuple[str, str], Prompts] = {}  # by tokenizer and chat template
        self.spoiled = False  # by an error that nobody foresaw: nothing in this process is to be trusted any more

    def engine(self, at: dict[str, Any], device: str, dtype: str) -> Engine:
        """The model at that place; the one in memory where it is that, or where it differs by its adapter alone."""
        held = self.current
        if held is not None and (held.at, held.device, held.dtype) == (at, device, dtype):
            return held
        base = None
        if held is not None and (base_of(held.at), held.device, held.dtype) == (base_of(at), device, dtype):
            base = held.model.unload() if "adapter" in held.at else held.model
        self.current = None
        if base is None:
            if held is not None:
                held.release()  # before the next is loaded
            model = load_model(at, device=device, dtype=dtype)
        else:
            model = add_adapter(base, at, device, dtype) if "adapter" in at else base
        prompts = Prompts(load_tokenizer(at))
        prompts = self.prompts.setdefault((prompts.tokenizer_digest, prompts.template_digest), prompts)
        self.current = Engine(at, device, dtype, model=model, prompts=prompts)
        return self.current

    def give_away(self) -> None:
        """Forget the model: whoever has it lets go of its weights."""
        self.current = None


def base_of(at: dict[str, Any]) -> dict[str, Any]:
    """The place of the whole weights below any adapter."""
    return base_of(at["base"]) if "adapter" in at else at
