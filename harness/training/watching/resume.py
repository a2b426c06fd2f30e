"""Which saved step to resume from. The Trainer writes its files in place, so only a step marked complete counts."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from harness.files import write_whole
from harness.training.shared import ranks

MARK = "complete.json"
NEEDED = ("optimizer.pt", "scheduler.pt", "trainer_state.json")  # without these a Trainer silently starts anew


class MarkComplete(TrainerCallback):
    """Marks each save as complete: after all its files, writes one more with their sizes."""

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        ranks.wait_for_all()  # each process saves its random numbers
        if ranks.rank():
            return
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        write_whole(folder / MARK, json.dumps(_sizes(folder)))


def latest_complete(trainer_folder: Path) -> str | None:
    """The folder of the newest complete save, or None. Incomplete ones are removed."""
    saves = sorted(trainer_folder.glob("checkpoint-*"), key=lambda p: int(p.name.split("-")[1]), reverse=True)
    whole = [folder for folder in saves if _is_whole(folder)]
    ranks.wait_for_all()  # before the first of them removes anything
    for folder in saves if ranks.rank() == 0 else ():
        if folder not in whole:
            shutil.rmtree(folder)
    return str(whole[0]) if whole else None


def _is_whole(folder: Path) -> bool:
    """Whether all files that the mark lists are there in full, and the files that resuming needs are among them."""
    try:
        marked = json.loads((folder / MARK).read_text())
    except (OSError, ValueError):
        return False
    sizes = _sizes(folder)
    return all(name in marked for name in NEEDED) and all(sizes.get(name) == size for name, size in marked.items())


def _sizes(folder: Path) -> dict[str, int]:
    return {
        str(file.relative_to(folder)): file.stat().st_size
        for file in folder.rglob("*")
        if file.is_file() and not file.name.startswith(MARK)
    }
