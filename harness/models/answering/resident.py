"""What a model worker keeps from request to request: one model, the adapters of which are exchanged, and token ids."""

from __future__ import annotations

from harness.models.answering.engine import Engine
from harness.models.answering.measured import load_to_measure, merges
from harness.models.answering.prompts import Prompts
from harness.models.loading.load import add_adapter, load_tokenizer
from harness.worker.places import Adapted, Place, whole_base


class Resident:
    """The model in memory: at most one, since two may not fit."""

    def __init__(self) -> None:
        self.current: Engine | None = None
        self.prompts: dict[tuple[str, str], Prompts] = {}  # by tokenizer and chat template
        self.spoiled = False  # after an unexpected error: its later answers could be wrong

    def engine(self, at: Place, device: str, dtype: str) -> Engine:
        """The model at that place. If the one in memory has the same base, at most its adapter is exchanged."""
        held = self.current
        if held is not None and (held.at, held.device, held.dtype) == (at, device, dtype):
            return held
        base = None
        same = held is not None and (whole_base(held.at), held.device, held.dtype) == (whole_base(at), device, dtype)
        if held is not None and same and not merges(device):
            base = held.model.unload() if isinstance(held.at, Adapted) else held.model
        self.current = None
        if base is None:
            if held is not None:
                held.release()  # first, so that the next has room
            model = load_to_measure(at, device=device, dtype=dtype)
        else:
            model = add_adapter(base, at, device, dtype) if isinstance(at, Adapted) else base
        prompts = Prompts(load_tokenizer(at))
        prompts = self.prompts.setdefault((prompts.tokenizer_digest, prompts.template_digest), prompts)
        self.current = Engine(at, device, dtype, model=model, prompts=prompts)
        return self.current

    def give_away(self) -> None:
        """Forget the model. The caller who has it then frees its weights, to make room."""
        self.current = None
