"""What a model worker keeps from one request to the next: one model, whose adapters are exchanged, and tokenized texts."""

from __future__ import annotations

from harness.models.answering.engine import Engine
from harness.models.answering.prompts import Prompts
from harness.models.loading.load import add_adapter, load_model, load_tokenizer
from harness.worker.places import Adapted, Place, whole_base


class Resident:
    """The model in memory. At most one: two may not fit."""

    def __init__(self) -> None:
        self.current: Engine | None = None
        self.prompts: dict[tuple[str, str], Prompts] = {}  # by tokenizer and chat template
        self.spoiled = False  # by an error that nobody foresaw: nothing in this process is to be trusted any more

    def engine(self, at: Place, device: str, dtype: str) -> Engine:
        """The model at that place; the one in memory where it is that, or where it differs by its adapter alone."""
        held = self.current
        if held is not None and (held.at, held.device, held.dtype) == (at, device, dtype):
            return held
        base = None
        if held is not None and (whole_base(held.at), held.device, held.dtype) == (whole_base(at), device, dtype):
            base = held.model.unload() if isinstance(held.at, Adapted) else held.model
        self.current = None
        if base is None:
            if held is not None:
                held.release()  # before the next is loaded
            model = load_model(at, device=device, dtype=dtype)
        else:
            model = add_adapter(base, at, device, dtype) if isinstance(at, Adapted) else base
        prompts = Prompts(load_tokenizer(at))
        prompts = self.prompts.setdefault((prompts.tokenizer_digest, prompts.template_digest), prompts)
        self.current = Engine(at, device, dtype, model=model, prompts=prompts)
        return self.current

    def give_away(self) -> None:
        """Forget the model: whoever has it lets go of its weights."""
        self.current = None
