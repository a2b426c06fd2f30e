"""The token worker: `python -m harness.models.tools.token_counts NAME` counts tokens for tools without torch.

Each line of input is a JSON list of texts; for each it writes a line with the list of their token counts. Before these
comes one line: null if the tokenizer was loaded, else what is wrong with it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from harness.errors import HarnessError
from harness.models.loading.load import load_tokenizer
from harness.worker.places import Directory, HubModel


def main(name: str) -> None:
    """Count until the input ends."""
    try:
        tokenizer = load_tokenizer(Directory(name) if Path(name).exists() else HubModel(name, None))
    except HarnessError as error:
        return print(json.dumps(error.problem))
    except (ImportError, OSError, ValueError, KeyError) as error:
        return print(json.dumps(f"{type(error).__name__}: {str(error).splitlines()[0]}"))
    print("null", flush=True)
    for line in sys.stdin:
        counts = [len(ids) for ids in tokenizer(json.loads(line), add_special_tokens=False, verbose=False)["input_ids"]]
        print(json.dumps(counts), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
