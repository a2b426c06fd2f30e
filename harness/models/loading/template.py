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
TODAY = re.compile(r"""strftime_now\(\s*(['"])(?P<format>[^'"]*)\1\s*\)""")


def render(turns: Sequence[Mapping[str, str]], tokenizer: Any, *, ask: bool = False) -> str:
    """The turns as one text; with `ask`, it ends where the assistant's next answer begins.

    Raises DataError if the template is broken or refuses these turns.
    """
    return str(applied(turns, tokenizer, tokenize=False, add_generation_prompt=ask))


def applied(turns: Sequence[Mapping[str, str]], tokenizer: Any, **options: Any) -> Any:
    """What the tokenizer's apply_chat_template gives for the turns, on the frozen day; errors as of `render`."""
    from jinja2 import TemplateError

    template = on_the_frozen_day(tokenizer.get_chat_template())
    try:
        return tokenizer.apply_chat_template(list(turns), chat_template=template, **options)
    except (TemplateError, ValueError, TypeError) as error:
        roles = ", ".join(turn["role"] for turn in turns)
        raise DataError(f"the model's chat template refuses these turns ({roles}): {error}") from error


def on_the_frozen_day(template: str) -> str:
    """The template with the frozen day in place of today.

    Calls with the format written out are replaced, `strftime_now("%d %b %Y")`, as published templates have them.
    """
    return TODAY.sub(lambda call: repr(FROZEN_DAY.strftime(call["format"])), template)
