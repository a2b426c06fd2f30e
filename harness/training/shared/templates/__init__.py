"""ChatML, the chat template of models that are trained from scratch, and of recipes that declare it.

It has generation marks, which show which tokens are the assistant's.
"""

from pathlib import Path

END_TURN = "<|im_end|>"
CHATML = (Path(__file__).parent / "chatml.jinja").read_text().strip()
