"""Tasks of lm-evaluation-harness on local rows, sample by sample."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from harness.errors import SuiteError
from harness.models.engine import Engine


def run_task(
    engine: Engine, task: str, metrics: list[str], rows: list[dict[str, Any]], folder: Path
) -> list[dict[str, Any]]:
    """Per row what lm-eval scored: the metrics, `loglikelihoods` of the choices in nats, and `chosen`.

    The prompt and the choices come from lm-eval's own task file; its data is replaced by `rows`. The two
    probabilities of acc_mutual_info's unconditional pass are not among the log-likelihoods.
    """
    import lm_eval
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager
    from lm_eval.tasks._yaml_loader import load_yaml

    definition = Path(lm_eval.__file__).parent / "tasks" / task / f"{task}.yaml"
    if not definition.exists():
        raise SuiteError(f"lm-eval task {task!r} has no folder of its own in this lm-eval.", "Check its name.")
    data = folder / f"{task}.rows.jsonl"
    data.write_text("".join(json.dumps({k: v for k, v in row.items() if k != "origin"}) + "\n" for row in rows))
    model = HFLM(pretrained=engine.model, tokenizer=engine.tokenizer, batch_size=32, max_length=engine.context_length)
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

    `task` is a name that lm-eval knows, or the path of a task file, whose relative data files lie beside it.
    """
    import lm_eval
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    own_file = Path(task).is_file()
    manager = TaskManager(include_path=str(Path(task).resolve().parent) if own_file else None)
    name = Path(task).stem if own_file else task
    if name not in manager.all_subtasks:
        raise SuiteError(
            f"lm-eval has no single task {name!r}.", "`lm_eval ls tasks` lists them; a group is given by its tasks."
        )
    model = HFLM(pretrained=engine.model, tokenizer=engine.tokenizer, batch_size=32, max_length=engine.context_length)
    try:
        results = lm_eval.simple_evaluate(
            model=model, tasks=[name], task_manager=manager, bootstrap_iters=0, log_samples=True
        )
    except (OSError, ConnectionError, ValueError) as error:
        raise SuiteError(
            f"lm-eval task {name}: its data cannot be loaded: {str(error).splitlines()[0]}",
            "Run once with the network, or write a task file with local data_files.",
        ) from error
    assert results is not None
    samples, answers = [], []
    for sample in sorted(results["samples"][name], key=lambda s: (s["doc_id"], s["filter"])):
        for argument in sample["arguments"]:
            engine.rendered.update(repr(argument).encode())
        first = sample["arguments"][0]
        samples.append(
            {
                "id": f"{sample['doc_id']}" + (f"@{sample['filter']}" if sample["filter"] != "none" else ""),
                "prompt": str(first[0]),
                "target": str(sample["target"]),
            }
        )
        answers.append(
            {
                "scores": {
                    metric: float(sample[metric])
                    for metric in sample["metrics"]
                    if isinstance(sample.get(metric), int | float)
                },
                "completion": str(sample["filtered_resps"][0])[:2000],
            }
        )
    return samples, answers
