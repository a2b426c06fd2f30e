"""What must hold on a GPU, in four parts that run alone: numbers, training, warm, speed.

    python benchmarks/gpu.py numbers training warm speed [--device cuda:0] [--only TEXT ...]
    python benchmarks/gpu.py cpu           # write benchmarks/on_gpu/cpu.json, what a CPU finds, anew
    python benchmarks/gpu.py numbers training warm --device cpu --small     # the script itself, on a CPU

Each part prints its tables, and ends with what holds and what does not. Everything is asked of SmolLM2-135M, of the
embedded corpora, and of random weights of the published sizes: nothing but SmolLM2 is fetched.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # not this folder, whose statistics.py is not Python's own

import argparse
import importlib
import json
from logging import getLogger
from typing import Any

from benchmarks import setting

PARTS = ("numbers", "training", "warm", "speed")


def main() -> int:
    """The parts named; status 1 where something does not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="+", choices=[*PARTS, "cpu"])
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--small", action="store_true", help="a few samples and steps of each")
    parser.add_argument("--only", nargs="+", metavar="TEXT", help="the steps whose names contain one of these")
    parser.add_argument("--json", type=Path, help="the folder for one file of figures per part")
    options = parser.parse_args()
    if "cpu" in options.parts:
        return write_cpu()
    import torch
    from transformers.utils import logging

    from benchmarks.on_gpu.checks import Checks
    from harness.environment import environment

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    getLogger("bitsandbytes").setLevel("ERROR")  # it tells of every layer that LLM.int8 computes in float16
    if options.device.startswith("cuda"):
        torch.cuda.init()
    holds = True
    for part in options.parts:
        file = options.json / f"{part}.json" if options.json else None
        checks = Checks(part, environment(), file)
        steps = importlib.import_module(f"benchmarks.on_gpu.{part}").steps(checks, options.device, options.small)
        for name, step in steps.items():
            if not options.only or any(wanted in name for wanted in options.only):
                with checks.step(name):
                    step()
        holds &= checks.show()
    return 0 if holds else 1


def write_cpu() -> int:
    """Ask and train SmolLM2 in float32 on this CPU, and keep what it gives."""
    from benchmarks.on_gpu import asked, numbers, training

    found: dict[str, Any] = {"machine": setting.machine("cpu")}
    found |= numbers.answers_of(asked.engine("cpu", "float32"), small=False)
    found["losses"] = {kind: training.losses(kind, "float32", "cpu") for kind in ("lora", "full")}
    asked.CPU.write_text(json.dumps(found) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
