"""`harness chat`: this process becomes the one that answers."""

from __future__ import annotations

from dataclasses import dataclass

from harness.fingerprint.evaluations import dtype_on
from harness.jobs.devices import threads_each
from harness.jobs.process import become
from harness.serving.trained import Trained
from harness.worker.messages import ChatRequest, encoded


@dataclass(frozen=True)
class Question:
    """What is asked, and how it is to be answered."""

    prompt: str | None  # None: a conversation
    system: str | None
    max_new_tokens: int
    temperature: float


def chat(model: Trained, device: str, question: Question) -> None:
    """Become the chat process; does not return."""
    request = ChatRequest(
        name=model.name,
        model=model.place,
        device=device,
        threads=threads_each((device,), side_by_side=False),
        dtype=dtype_on(device),
        prompt=question.prompt,
        system=question.system,
        max_new_tokens=question.max_new_tokens,
        temperature=question.temperature,
    )
    become("harness.models.tools.chat", encoded(request))
