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
