"""`harness chat`: this process becomes the one that answers."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass

from harness.environment import child_environment, threads
from harness.fingerprint.evaluations import dtype_on
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
        threads=threads(),
        dtype=dtype_on(device),
        prompt=question.prompt,
        system=question.system,
        max_new_tokens=question.max_new_tokens,
        temperature=question.temperature,
    )
    command = [sys.executable, "-m", "harness.models.tools.chat", encoded(request)]
    os.execve(sys.executable, command, child_environment())
