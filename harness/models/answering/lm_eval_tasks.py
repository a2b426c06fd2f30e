"""Tasks of lm-evaluation-harness on local rows, sample by sample."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from harness.errors import SuiteError
from harness.models.answering.engine import Engine


def run_task(
    engine: Engine, task: str, metrics: list[str], rows: list[dict[str, Any]], folder: Path
) -> list[dict[str, Any]]:
    """Per row what lm-eval scored: the metrics, `loglikelihoods` of the choices in nats, and `chosen`.

    The prompt and the choices come from lm-eval's own task file; its data is replaced by `rows`. The two
    probabilities of acc_mutual_info's unconditional pass are not among the log-likelihoods.
    """
    import lm_eval
    from lm_eval.tasks import TaskManager
    from lm_eval.tasks._yaml_loader import load_yaml

    definition = Path(lm_eval.__file__).parent / "tasks" / task / f"{task}.yaml"
    if not definition.exists():
        raise SuiteError(f"lm-eval task {task!r} has no folder of its own in this lm-eval.", "Check its name.")
    data = folder / f"{task}.rows.jsonl"
    data.write_text("".join(json.dumps({k: v for k, v in row.items() if k != "origin"}) + "\n" for row in rows))
    model = as_lm(engine)
    config = {
        **load_yaml(definition),
        "dataset_path": "json",
        "dataset_name": None,
        "dataset_kwargs": {"data_files": {"test": str(data)}},
        "training_split": None,
        "validation_split": None,
        "test_split": "test",
        "metric_list": [{"metric": name, "aggregation": "mean", "higher_is_better": True} for name in metrics],
    }
    config.pop("tag", None)
    results = lm_eval.simple_evaluate(
        model=model,
        tasks=[config],
        task_manager=TaskManager(include_defaults=False),  # indexing every task of lm-eval takes seconds
        bootstrap_iters=0,
        log_samples=True,
    )
    assert results is not None
    samples = sorted(next(iter(results["samples"].values())), key=lambda s: s["doc_id"])
    if len(samples) != len(rows):
        raise SuiteError(f"lm-eval task {task} scored {len(samples)} of {len(rows)} rows.")
    engine.tokens += model.scorer.work.asked
    answers = []
    for sample in samples:
        choices = sample["doc"]["choices"]["text"]
        loglikelihoods = [float(r[0]) for r in sample["filtered_resps"]][: len(choices)]
        for argument in sample["arguments"]:
            engine.rendered.update(repr(argument).encode())
        normed = [value / len(choice) for value, choice in zip(loglikelihoods, choices, strict=True)]
        answers.append(
            {
                **{name: float(sample[name]) for name in metrics},
                "loglikelihoods": loglikelihoods,
                "chosen": max(range(len(choices)), key=normed.__getitem__),
            }
        )
    return answers


def run_own_task(engine: Engine, task: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """A task of lm-eval on its own data: its samples (id, prompt, target), and per sample its metrics and answer.

    `task` is a name that lm-eval knows, or the path of a task file, whose relative data files lie beside it. Where a
    task filters answers in several ways, its metrics are named as lm-eval names them: `exact_match,strict-match`.
    """
    import lm_eval
    from lm_eval.tasks import TaskManager

    own_file = Path(task).is_file()
    manager = TaskManager(include_defaults=not own_file)
    if not own_file and task not in manager.all_subtasks:
        raise SuiteError(
            f"lm-eval has no single task {task!r}.", "`lm_eval ls tasks` lists them; a group is given by its tasks."
        )
    model = as_lm(engine)
    try:
        results = lm_eval.simple_evaluate(
            model=model,
            tasks=[_config(Path(task)) if own_file else task],
            task_manager=manager,
            bootstrap_iters=0,
            log_samples=True,
        )
    except (OSError, ValueError) as error:
        raise SuiteError(
            f"lm-eval task {task}: its data cannot be loaded: {str(error).splitlines()[0]}",
            "Run once with the network, or write a task file with local data_files.",
        ) from error
    assert results is not None
    engine.tokens += model.scorer.work.asked
    logged = next(iter(results["samples"].values()))
    filters = list(dict.fromkeys(sample["filter"] for sample in logged))
    samples: dict[int, dict[str, Any]] = {}
    answers: dict[int, dict[str, Any]] = {}
    for sample in sorted(logged, key=lambda s: s["doc_id"]):
        number = sample["doc_id"]
        if number not in samples:
            for argument in sample["arguments"]:
                engine.rendered.update(repr(argument).encode())
            prompt, target = str(sample["arguments"][0][0]), str(sample["target"])
            samples[number] = {"id": str(number), "prompt": prompt, "target": target}
            answers[number] = {"scores": {}, "completion": str(sample["filtered_resps"][0])[:2000]}
        for metric in sample["metrics"]:
            name = metric if len(filters) == 1 else f"{metric},{sample['filter']}"
            answers[number]["scores"][name] = _number(task, metric, sample[metric])
    return list(samples.values()), list(answers.values())


def as_lm(engine: Engine) -> Any:
    """The loaded model as one of lm-eval's."""
    from harness.models.answering.lm import HarnessLM

    return HarnessLM(pretrained=engine.model, tokenizer=engine.tokenizer, max_length=engine.context_length)


def _config(file: Path) -> dict[str, Any]:
    """A task file's settings, with its relative data files as absolute paths."""
    from lm_eval.tasks._yaml_loader import load_yaml

    config = dict(load_yaml(file))
    data = dict((config.get("dataset_kwargs") or {}).get("data_files") or {})
    if data:
        found = {split: str((file.parent / name).resolve()) for split, name in data.items()}
        config["dataset_kwargs"] = {**config["dataset_kwargs"], "data_files": found}
    return config


def _number(task: str, metric: str, score: Any) -> float:
    if not isinstance(score, int | float):
        raise SuiteError(
            f"lm-eval task {task}: its metric {metric} has no number for a single sample ({type(score).__name__}).",
            "Corpus metrics of lm-eval cannot be stored by sample; use retention or holdout for perplexity.",
        )
    return float(score)
