"""Questions and answers -> token ids, by the checkpoint's tokenizer and chat template.

Token ids are kept, so that what several checkpoints with one tokenizer are asked is tokenized once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from harness.models.loading.template import render
from harness.suite import Asked


class Prompts:
    """One tokenizer with its chat template, and the texts it has tokenized."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self.tokenizer_digest = tokenizer_digest(tokenizer)
        self.template_digest = hashlib.sha256(str(tokenizer.chat_template).encode()).hexdigest()
        self.known: dict[tuple[str, bool], list[int]] = {}  # (text, with special tokens?) -> ids

    def render(self, asked: Asked, system_prompt: str | None) -> str:
        """A prompt as a user's turn, or the turns of a conversation, in the chat template, ready for the next answer.

        A tokenizer without a chat template gets plain text: each turn on lines of its own.
        """
        turns = [{"role": "user", "content": asked}] if isinstance(asked, str) else list(asked)
        if system_prompt:
            turns = [{"role": "system", "content": system_prompt}, *turns]
        if self.tokenizer.chat_template is None:
            return "".join(turn["content"] + ("\n\n" if turn["role"] == "system" else "\n") for turn in turns)
        return render(turns, self.tokenizer, ask=True)

    def ids(self, rendered: Sequence[str]) -> list[list[int]]:
        """Token ids of rendered prompts. Special tokens are added only without a chat template, which has its own."""
        return self._ids(rendered, self.tokenizer.chat_template is None)

    def plain_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of texts, without special tokens."""
        return self._ids(texts, False)

    def answer_ids(self, rendered: Sequence[str], answers: Sequence[str]) -> list[list[int]]:
        """Token ids of each answer: prompt and answer are tokenized together, and the prompt's tokens are cut off.

        As many are cut off as the prompt has alone, which is the rule of lm-evaluation-harness. Tokenizing the answer
        alone would be wrong where a tokenizer marks the beginning of a text. If prompt and answer merge into one token
        ("a" and "b" into "ab"), the answer has no tokens.
        """
        whole = self.ids([prompt + answer for prompt, answer in zip(rendered, answers, strict=True)])
        return [both[len(alone) :] for both, alone in zip(whole, self.ids(rendered), strict=True)]

    def _ids(self, texts: Sequence[str], special: bool) -> list[list[int]]:
        """Token ids of the texts; those that are new are tokenized in one call."""
        new = list(dict.fromkeys(text for text in texts if (text, special) not in self.known))
        if new:
            encoded = self.tokenizer(new, add_special_tokens=special)["input_ids"]
            self.known.update(((text, special), ids) for text, ids in zip(new, encoded, strict=True))
        return [self.known[text, special] for text in texts]


def tokenizer_digest(tokenizer: Any) -> str:
    """SHA-256 of a tokenizer. Tokenizers with the same digest give the same ids; their chat templates may differ."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    state = backend.to_str() if backend is not None else repr(sorted(tokenizer.get_vocab().items()))
    parts = (type(tokenizer).__name__, state, str(tokenizer.special_tokens_map))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
