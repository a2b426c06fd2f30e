"""A whole session against a bare script that does the same: fine-tune, answer, score a quiz, measure perplexity.

    python benchmarks/end_to_end.py --data-root DIR [--model PATH] [--epochs 3]

Both sides start from nothing, each in processes of its own, and use the same trainer and the same engine; the
session adds fingerprints, the store, workers, scoring, DuckDB, verdicts and the report. The aim is at most 5 % more.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # not this folder, whose statistics.py is not Python's own

import json
import os
import subprocess
import tempfile
import time
from typing import Any

from benchmarks import setting

RECIPE = '''
"""Dolly by LoRA."""

from harness import Claim, Dataset, Embedded, Files, Finetune, Lora, Mix, Recipe, Variant

TALK = Dataset(name="talk", mini=Embedded("instructions"), small=Files("instructions/dolly_6k.jsonl"))
DOLLY = Recipe(
    name="dolly",
    stages=[Finetune(data=Mix(TALK.rows({rows}, mini={rows}, small={rows})), adapter=Lora(rank=16), template="chatml", learning_rate=2e-4,
                     epochs={epochs}, effective_batch_size=16, max_length=1024)],
    variants=[Variant("one", base="{model}", scale="{scale}", micro_batch_size=4)],
    claims=[Claim("answers", "nonempty", above=0.5)],
)
'''
SUITES = '''
"""A quiz, answers, perplexity."""

from harness import Choices, Dataset, Embedded, Files, Generate, Perplexity, Sample, Suite

QUIZ = Dataset(name="quiz", mini=Embedded("quiz"), small=Files("openbookqa/test.jsonl"))
PROMPTS = Dataset(name="prompts", mini=Embedded("quiz"), small=Files("openbookqa/validation.jsonl"))


def to_question(row):
    gold = row["choices"]["label"].index(row["answerKey"])
    return Sample(id=row["id"], prompt=row["question_stem"], choices=row["choices"]["text"], target=gold)


def to_prompt(row):
    right = row["choices"]["text"][row["choices"]["label"].index(row["answerKey"])]
    return Sample(id=row["id"], prompt=row["question_stem"], target=right)


def right(sample, output):
    return {"accuracy": float(output["chosen"] == sample.target)}


def answered(sample, output):
    return {"nonempty": float(bool(output["completion"])), "nll": output["nll"]}


CHOICES = Suite(name="choices", dataset=QUIZ, to_sample=to_question, asks=[Choices()], scorer=right)
ANSWERS = Suite(name="answers", dataset=PROMPTS.rows(200, mini=50, small=200), to_sample=to_prompt,
                asks=[Generate(max_new_tokens=48), Perplexity(chat=True)], scorer=answered)


def test_choices(checkpoint, evaluate):
    assert evaluate(CHOICES, checkpoint).scored


def test_answers(checkpoint, evaluate):
    assert evaluate(ANSWERS, checkpoint).scored


def test_gate(verdict):
    assert verdict.passed, verdict.message
'''


def session(folder: Path, options: Any) -> float:
    """Seconds of the session in a project of its own, from an empty store."""
    scale = "small" if options.data_root else "mini"
    settings = {"rows": options.rows, "epochs": options.epochs, "model": options.model, "scale": scale}
    files = {
        "conftest.py": 'pytest_plugins = ["harness.plugin"]\n',
        "pyproject.toml": "[tool.pytest.ini_options]\npythonpath = ['.']\naddopts = '--import-mode=importlib'\n",
        "recipes/dolly.py": RECIPE.format(**settings),
        "suites/test_all.py": SUITES,
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text.lstrip())
    given = ["--scale", scale, *(["--data-root", str(options.data_root)] if options.data_root else [])]
    given += ["--gpu", options.device.split(":")[1]] if options.device != "cpu" else []
    took, done = timed([sys.executable, "-m", "pytest", "suites/", "-p", "no:cacheprovider", *given], folder)
    if "3 passed" not in done.stdout:
        raise SystemExit(done.stdout + done.stderr)
    return took


def timed(command: list[str], folder: Path) -> tuple[float, Any]:
    """Seconds of a process, and what it said."""
    environment = {**os.environ, "PYTHONPATH": str(setting.ROOT)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    started = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    return time.perf_counter() - started, done


def bare(options: Any, folder: Path) -> None:
    """The same steps, one after the other in one process, and nothing else; prints their seconds as JSON."""
    import datasets
    import torch
    from transformers import set_seed
    from trl import SFTConfig

    from harness import Dataset, Embedded, Files, Finetune, Lora, Mix
    from harness.data.reading.rows import Access, load
    from harness.jobs.devices import threads
    from harness.models.answering.engine import Engine
    from harness.models.loading.load import load_tokenizer
    from harness.training.finetuning.base import load_base
    from harness.training.finetuning.conversations import check_template, conversation_tokens
    from harness.training.finetuning.finetune import FiniteSFTTrainer
    from harness.training.shared.packing import Packing
    from harness.worker.messages import TrainingTask
    from harness.worker.places import Adapted, Directory

    started = time.perf_counter()
    torch.set_num_threads(threads())
    set_seed(0)
    at = Directory(options.model)
    tokenizer = load_tokenizer(at)
    check_template(tokenizer, "chatml", "bare")
    access = Access("small" if options.data_root else "mini", options.data_root)
    talk = Dataset(name="talk", mini=Embedded("instructions"), small=Files("instructions/dolly_6k.jsonl"))
    mix = Mix(talk.rows(options.rows, mini=options.rows, small=options.rows))
    encoded = conversation_tokens(load(mix, access).rows, tokenizer, 1024).rows
    stage = Finetune(
        data=mix, adapter=Lora(rank=16), learning_rate=2e-4, epochs=options.epochs, effective_batch_size=16
    )
    task = TrainingTask(makes="", name="bare", kind="finetune", base=at, settings=stage.settings, device=options.device)
    model = load_base(task, stage.settings)
    config = SFTConfig(
        output_dir=str(folder / "trainer"), per_device_train_batch_size=4, gradient_accumulation_steps=4, seed=0,
        num_train_epochs=options.epochs, learning_rate=2e-4, logging_steps=1, report_to=[], disable_tqdm=True,
        save_strategy="no", use_cpu=options.device == "cpu", gradient_checkpointing=False, max_length=None,
        remove_unused_columns=False, dataset_kwargs={"skip_prepare_dataset": True},
    )  # fmt: skip
    trainer = FiniteSFTTrainer(
        model=model, args=config, train_dataset=datasets.Dataset.from_list(encoded), processing_class=tokenizer,
        data_collator=Packing(model, tokenizer.pad_token_id),
    )  # fmt: skip
    trainer.model_accepts_loss_kwargs = True
    trainer.rows_of_step = stage.effective_batch_size
    trainer.train()
    trainer.model.save_pretrained(folder / "adapter")
    tokenizer.save_pretrained(folder / "adapter")
    trained = time.perf_counter()
    engine = Engine(Adapted(Directory(str(folder / "adapter")), at), options.device, "float32")
    quiz = Dataset(name="quiz", mini=Embedded("quiz"), small=Files("openbookqa/test.jsonl"))
    asked = load(quiz, access, raw=True).rows
    stems, choices = [row["question_stem"] for row in asked], [row["choices"]["text"] for row in asked]
    engine.choice_loglikelihoods([row["id"] for row in asked], stems, choices)
    prompts = Dataset(name="prompts", mini=Embedded("quiz"), small=Files("openbookqa/validation.jsonl"))
    asked = load(prompts.rows(200, mini=50, small=200), access, raw=True).rows
    names, stems = [row["id"] for row in asked], [row["question_stem"] for row in asked]
    engine.generate(names, [engine.prompt_ids(stem) for stem in stems], 48)
    answers = [row["choices"]["text"][row["choices"]["label"].index(row["answerKey"])] for row in asked]
    engine.answer_loglikelihoods(names, stems, answers)
    print(json.dumps({"training": trained - started, "evaluation": time.perf_counter() - trained}))


def main() -> None:
    """Both sides in turn, and their ratio."""
    options = setting.options(
        __doc__,
        rows={"type": int, "default": 480},
        epochs={"type": int, "default": 3},
        rounds={"type": int, "default": 1},
        bare={"type": Path, "default": None, "help": "run the bare side alone, in this folder"},
    )
    if options.bare:
        bare(options, options.bare)
        return
    options.data_root = options.data_root and options.data_root.resolve()
    given = [
        "--model",
        options.model,
        "--device",
        options.device,
        "--rows",
        str(options.rows),
        "--epochs",
        str(options.epochs),
    ]
    given += ["--data-root", str(options.data_root)] if options.data_root else []
    sessions, scripts, parts = [], [], {}
    for _ in range(options.rounds):
        with tempfile.TemporaryDirectory() as folder:
            took, done = timed([sys.executable, __file__, *given, "--bare", folder], setting.ROOT)
            if done.returncode:
                raise SystemExit(done.stderr)
            scripts.append(took)
            parts = json.loads(done.stdout.splitlines()[-1])
        with tempfile.TemporaryDirectory() as folder:
            sessions.append(session(Path(folder), options))
    print(
        f"{options.rows} rows, {options.epochs} epochs, {Path(options.model).name}; {setting.machine(options.device)}\n"
    )
    print(
        f"bare script: {min(scripts):.1f} s ({parts['training']:.1f} s training, {parts['evaluation']:.1f} s evaluation, the rest imports)"
    )
    print(f"session:     {min(sessions):.1f} s, {min(sessions) / min(scripts) - 1:+.1%} (aim: at most +5%)")


if __name__ == "__main__":
    sys.exit(main())
