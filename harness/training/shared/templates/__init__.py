"""Chat templates with generation marks, which show which tokens are the assistant's."""

from pathlib import Path

TEMPLATES = Path(__file__).parent
