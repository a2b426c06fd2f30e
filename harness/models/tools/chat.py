"""The chat process: `python -m harness.models.tools.chat REQUEST` answers one prompt, or holds a conversation.

REQUEST is a ChatRequest as JSON. Its `prompt` is asked, or without one each line of stdin; answers go to stdout.
"""

from __future__ import annotations

import logging
import sys
import warnings
from contextlib import suppress
from typing import Any

import torch
from transformers import TextStreamer

from harness.errors import DataError, HarnessError, SuiteError
from harness.files import Json
from harness.models.answering.engine import Engine
from harness.worker.messages import ChatRequest, decoded

Messages = list[dict[str, str]]


def main(request: ChatRequest) -> int:
    """Exit status: 0, 2 for a prompt that cannot be answered, 130 when interrupted."""
    from transformers.utils.logging import disable_progress_bar, set_verbosity_error

    torch.set_num_threads(request.threads)
    disable_progress_bar()
    set_verbosity_error()
    warnings.simplefilter("ignore")  # meant for developers; they would appear between the answers
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    try:
        engine = Engine(request.model, request.device, request.dtype)
        conversation = Conversation(engine, request)
        if request.prompt is None:
            converse(conversation)
        else:
            print(conversation.ask(request.prompt))
    except HarnessError as error:
        print(error.message, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print()
        return 130
    return 0


class Conversation:
    """The turns so far, all of which are put before every new question."""

    def __init__(self, engine: Engine, request: ChatRequest) -> None:
        self.engine, self.request = engine, request
        self.turns: Messages = []
        self.clear()

    def clear(self) -> None:
        """Forget all turns but the system prompt."""
        self.turns = [{"role": "system", "content": self.request.system}] if self.request.system else []

    def ask(self, prompt: str, streamer: Any = None) -> str:
        """The answer. It is kept as a turn, after its question. Raises SuiteError if the turns fill the context."""
        turns = [*self.turns, {"role": "user", "content": prompt}]
        ids, context = prompt_ids(self.engine, turns), self.engine.context_length
        if len(ids) >= context:
            earlier = len(turns) - 1 - bool(self.request.system)
            raise SuiteError(
                f"{self.request.name}: the prompt has {len(ids)} tokens"
                + (f" with the {earlier} turns before it" if earlier else "")
                + f", and the model's context is {context}.",
                "Shorten it; a prompt is never cut." if not earlier else "Forget the turns before with /clear.",
            )
        room = min(self.request.max_new_tokens, context - len(ids))
        new, ended = complete(self.engine, ids, room, self.request.temperature, streamer)
        if not ended:
            reached = "--max-new-tokens" if room == self.request.max_new_tokens else f"the context of {context}"
            print(f"(not ended: {len(new)} new tokens reach {reached})", file=sys.stderr)
        answer = str(self.engine.tokenizer.decode(new, skip_special_tokens=True)).strip()
        self.turns = [*turns, {"role": "assistant", "content": answer}]
        return answer


def prompt_ids(engine: Engine, turns: Messages) -> list[int]:
    """Token ids of the conversation, as suites ask: Engine.prompt_ids."""
    try:
        return engine.prompt_ids(turns)
    except DataError as error:
        remedy = "Leave out --system." if turns[0]["role"] == "system" else ""
        raise DataError(error.problem, remedy) from error


@torch.inference_mode()
def complete(
    engine: Engine, ids: list[int], max_new_tokens: int, temperature: float, streamer: Any
) -> tuple[list[int], bool]:
    """The new token ids up to the end of the answer, and whether the model ended it. Greedy at temperature 0."""
    stops = engine.stop_ids
    x = torch.tensor([ids], device=engine.device)
    sampling: Json = {"do_sample": False, "temperature": None, "top_k": None, "top_p": None}
    if temperature:
        sampling = {"do_sample": True, "temperature": temperature, "top_k": 0, "top_p": 1.0}
    new = engine.model.generate(
        input_ids=x,
        attention_mask=torch.ones_like(x),
        max_new_tokens=max_new_tokens,
        eos_token_id=stops,
        pad_token_id=engine.tokenizer.pad_token_id,
        streamer=streamer,
        **sampling,
    )[0, len(ids) :].tolist()
    ended = bool(new) and new[-1] in stops
    return (new[:-1] if ended else new), ended


class Printer(TextStreamer):
    """Prints an answer token by token as it comes, without the token that ends it."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine.tokenizer, skip_prompt=True, skip_special_tokens=True)
        self.stops = set(engine.stop_ids)

    def put(self, value: torch.Tensor) -> None:
        """Takes the whole prompt in the first call, then one new token in each."""
        if self.next_tokens_are_prompt or int(value[-1]) not in self.stops:
            super().put(value)


def converse(conversation: Conversation) -> None:
    """Question and answer in turn, until an empty line, /exit or the end of the input; /clear forgets the turns."""
    at_terminal = sys.stdin.isatty()
    if at_terminal:
        with suppress(ImportError):
            import readline  # noqa: F401  (gives input() its line editing)
        print(f"{conversation.request.name}: an empty line or /exit ends, /clear forgets")
    printer = Printer(conversation.engine)
    while True:
        try:
            prompt = input("> " if at_terminal else "").strip()
        except EOFError:
            return
        if prompt in ("", "/exit"):
            return
        if prompt == "/clear":
            conversation.clear()
            continue
        try:
            conversation.ask(prompt, printer)
        except (DataError, SuiteError) as error:
            print(error.message, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main(decoded(sys.argv[1])))
