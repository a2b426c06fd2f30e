"""Turns of a conversation -> text, in the model's own chat template.

Training, measuring and chat all render here, so that a checkpoint is asked in the words that it was trained on, and
its base in the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from harness.errors import DataError

# Some templates put today's date into the prompt. Here it is always the day that Llama's templates take by default.
FROZEN_DAY = datetime(2024, 7, 26)
TODAY = re.compile(r"""strftime_now\s*\(\s*(?:format\s*=\s*)?(['"])(?P<format>[^'"]*)\1\s*\)""")
NOW = re.compile(r"strftime_now\s*\(")  # any other call


def render(turns: Sequence[Mapping[str, str]], tokenizer: Any, *, ask: bool = False) -> str:
    """The turns as one text; with `ask`, it ends where the assistant's next answer begins.

    Raises DataError if the template is broken, refuses these turns, or leaves out what one of them says. Only what
    stands before `</think>` may be left out: templates drop earlier reasoning.
    """
    text = str(applied(turns, tokenizer, tokenize=False, add_generation_prompt=ask))
    for turn in turns:
        said = turn["content"].split("</think>")[-1].strip()
        if said not in text:
            raise DataError(
                f"the model's chat template leaves out what the {turn['role']} says ({said[:60]!r}).",
                _WITHOUT_THE_TURN,
            )
    return text


def applied(turns: Sequence[Mapping[str, str]], tokenizer: Any, **options: Any) -> Any:
    """What the tokenizer's apply_chat_template gives for the turns, on the frozen day.

    Raises DataError if the template is broken, refuses these turns, or asks for the time otherwise than by a date's
    format written out.
    """
    from jinja2 import TemplateError

    try:
        template = on_the_frozen_day(tokenizer.get_chat_template())
        return tokenizer.apply_chat_template(list(turns), chat_template=template, **options)
    except (TemplateError, ValueError, TypeError) as error:
        roles = ", ".join(turn["role"] for turn in turns)
        raise DataError(
            f"the model's chat template refuses these turns ({roles}): {error}", _WITHOUT_THE_TURN
        ) from error


_WITHOUT_THE_TURN = "Leave out the turn that it refuses (a row's system turn, a suite's system_prompt)."


def on_the_frozen_day(template: str) -> str:
    """The template with the frozen day in place of today.

    Calls with the format written out are replaced, `strftime_now("%d %b %Y")`, as published templates have them.
    Raises DataError for any other call: its prompts would change from day to day.
    """
    frozen = TODAY.sub(lambda call: repr(FROZEN_DAY.strftime(call["format"])), template)
    other = NOW.search(frozen)
    if other is not None:
        raise DataError(
            f"the model's chat template asks for the time ({frozen[other.start() :][:40]!r}), so its prompts would "
            "change from day to day.",
            "Write the date's format into the call, or declare Finetune(template='chatml').",
        )
    return frozen
