"""Tasks of lm-evaluation-harness -> answers, one per sample: on a suite's rows, or on the task's own data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.errors import SuiteError
from harness.files import Json, write_json_lines
from harness.models.answering.engine import Engine
from harness.suite import Answer, LmEval, LmEvalTask, drawn_order

LONGEST_COMPLETION = 2_000  # characters kept of a task's own answer


# ---- on a suite's rows --------------------------------------------------------------------------------


def run_task(engine: Engine, ask: LmEval, rows: Sequence[Json], folder: Path) -> list[Answer]:
    """Per row what lm-eval scored: the metrics of the ask, `loglikelihoods` of the choices in nats, and `chosen`.

    `chosen` is the number of the choice with the highest log-likelihood per character. Prompt and choices come from
    lm-eval's own task file; its data is replaced by `rows`. For acc_mutual_info lm-eval also scores each choice without
    the question; those log-likelihoods follow the others, and are left out.
    """
    data = folder / f"{ask.task}.rows.jsonl"
    write_json_lines(data, ({k: v for k, v in row.items() if k != "origin"} for row in rows))
    # Without the default tasks, because indexing them takes seconds.
    samples = _samples_of(engine, _loaded(_on_rows(ask, data), _task_manager(include_defaults=False)))
    if len(samples) != len(rows):
        raise SuiteError(f"lm-eval task {ask.task} scored {len(samples)} of {len(rows)} rows.")
    answers = []
    for sample in samples:
        choices = sample["doc"]["choices"]["text"]
        loglikelihoods = [float(r[0]) for r in sample["filtered_resps"]][: len(choices)]
        _note_prompts(engine, sample)
        normed = [value / len(choice) for value, choice in zip(loglikelihoods, choices, strict=True)]
        answers.append(
            {
                **_asked(engine, sample),
                **{name: float(sample[name]) for name in ask.metrics},
                "loglikelihoods": loglikelihoods,
                "chosen": max(range(len(choices)), key=normed.__getitem__),
            }
        )
    return answers


def _on_rows(ask: LmEval, data: Path) -> Json:
    """The settings of lm-eval's own task, with the rows of a file as its only data."""
    import lm_eval
    from lm_eval.tasks._yaml_loader import load_yaml

    definition = Path(lm_eval.__file__).parent / "tasks" / ask.task / f"{ask.task}.yaml"
    if not definition.exists():
        raise SuiteError(f"lm-eval task {ask.task!r} has no folder of its own in this lm-eval.", "Check its name.")
    config = {
        **load_yaml(definition),
        "dataset_path": "json",
        "dataset_name": None,
        "dataset_kwargs": {"data_files": {"test": str(data)}},
        "training_split": None,
        "validation_split": None,
        "test_split": "test",
        "metric_list": [{"metric": name, "aggregation": "mean", "higher_is_better": True} for name in ask.metrics],
    }
    config.pop("tag", None)
    return config


# ---- on the task's own data ---------------------------------------------------------------------------


def run_own_task(engine: Engine, ask: LmEvalTask, limit: int | None = None) -> tuple[list[Answer], list[Answer], int]:
    """The samples of a task of lm-eval on its own data (`id`, `prompt`, `target`), the answers to them, and how many
    documents the task has.

    Each answer has `scores`, the task's metrics, and `completion`. If a task filters answers in several ways, its
    metrics have lm-eval's names with the filter: `exact_match,strict-match`. With `limit`, as many documents are asked.
    """
    task = ask.task
    loaded = _own_task(ask)
    numbers = sorted(drawn_order([str(number) for number in range(len(loaded.eval_docs))])[:limit])
    logged = _samples_of(engine, loaded, numbers if limit else None, ask)
    several = len({sample["filter"] for sample in logged}) > 1
    samples: dict[int, Answer] = {}
    answers: dict[int, Answer] = {}
    for sample in logged:
        number = sample["doc_id"]
        if number not in samples:  # a sample is logged once for each filter
            _note_prompts(engine, sample)
            prompt, target = str(sample["arguments"][0][0]), str(sample["target"])
            samples[number] = {"id": str(number), "prompt": prompt, "target": target}
            completion = str(sample["filtered_resps"][0])[:LONGEST_COMPLETION]
            answers[number] = {"scores": {}, "completion": completion, **_asked(engine, sample)}
        for metric in sample["metrics"]:
            name = f"{metric},{sample['filter']}" if several else metric
            answers[number]["scores"][name] = _number(task, metric, sample[metric])
    return list(samples.values()), list(answers.values()), len(loaded.eval_docs)


def _own_task(ask: LmEvalTask) -> Any:
    """lm-eval's task of that name or file, with the settings of the ask."""
    own_file = Path(ask.task).is_file()
    manager = _task_manager(include_defaults=not own_file)
    if not own_file and ask.task not in manager.all_subtasks:
        raise SuiteError(
            f"lm-eval has no single task {ask.task!r}.", "`lm_eval ls tasks` lists them; a group is given by its tasks."
        )
    try:
        task = _loaded(_with_own_files(Path(ask.task)) if own_file else ask.task, manager)
    except (OSError, ValueError) as error:
        raise SuiteError(
            f"lm-eval task {ask.task}: its data cannot be loaded: {str(error).splitlines()[0]}",
            "Run once with the network, or write a task file with local data_files.",
        ) from error
    if ask.num_fewshot is not None:  # simple_evaluate would keep a 0 that the task file says, without a word
        task.set_config(key="num_fewshot", value=ask.num_fewshot)
    _leave_out_the_question_itself(task)
    if ask.gen_kwargs and task.OUTPUT_TYPE != "generate_until":
        raise SuiteError(
            f"lm-eval task {ask.task}: it is {task.OUTPUT_TYPE}, which generates nothing.",
            f"Leave out {', '.join(ask.gen_kwargs)}.",
        )
    return task


def _leave_out_the_question_itself(task: Any) -> None:
    """Where examples are drawn from the documents that are asked, the question's own is not among them.

    lm-eval leaves it out only where the task file names the test split for its examples.
    """
    config, examples = task.config, task.fewshot_cfg
    if examples.split is None and examples.samples is not None:
        return
    training = config.training_split if task.has_training_docs() else None
    validation = config.validation_split if task.has_validation_docs() else None
    asked = config.test_split if task.has_test_docs() else validation
    if (examples.split or training or validation or config.test_split) == asked:
        examples.split = asked
        task.set_config(key="test_split", value=asked)


def _with_own_files(file: Path) -> Json:
    """A task file's settings, with its data files as absolute paths."""
    from lm_eval.tasks._yaml_loader import load_yaml

    config = dict(load_yaml(file))
    given = (config.get("dataset_kwargs") or {}).get("data_files")
    if given:
        config["dataset_kwargs"] = {**config["dataset_kwargs"], "data_files": _absolute(given, file.parent)}
    return config


def _absolute(given: Any, folder: Path) -> Any:
    """Data files as `datasets` takes them, a path or glob, a list of those, or either by split, as absolute paths."""
    if isinstance(given, Mapping):
        return {split: _absolute(one, folder) for split, one in given.items()}
    if isinstance(given, list | tuple):
        return [_absolute(one, folder) for one in given]
    return str(given) if "://" in str(given) else str((folder / str(given)).resolve())


def _number(task: str, metric: str, score: Any) -> float:
    """The score as a number. Raises SuiteError for a metric that only has a value over the whole corpus."""
    if not isinstance(score, int | float):
        raise SuiteError(
            f"lm-eval task {task}: its metric {metric} has no number for a single sample ({type(score).__name__}).",
            "Corpus metrics of lm-eval cannot be stored by sample; use retention or holdout for perplexity.",
        )
    return float(score)


# ---- what both share ----------------------------------------------------------------------------------


def _task_manager(include_defaults: bool) -> Any:
    from lm_eval.tasks import TaskManager

    return TaskManager(include_defaults=include_defaults)


def _loaded(task: str | Json, manager: Any) -> Any:
    """The one task of that name or with those settings, as lm-eval's own object."""
    [only] = manager.load([task])["tasks"].values()
    return only


def _samples_of(
    engine: Engine, task: Any, numbers: Sequence[int] | None = None, ask: LmEvalTask | None = None
) -> list[Json]:
    """lm-eval's log of each sample of one task, in the order of its documents, all or those of these numbers."""
    import lm_eval

    model = as_lm(engine)
    model.scorer.watch = model.generator.watch = engine.watched
    results = lm_eval.simple_evaluate(
        model=model,
        tasks=[task],
        samples=None if numbers is None else {task.task_name: list(numbers)},
        apply_chat_template=ask.apply_chat_template if ask else False,
        gen_kwargs=dict(ask.gen_kwargs) if ask and ask.gen_kwargs else None,
        bootstrap_iters=0,
        log_samples=True,
    )
    assert results is not None
    engine.tokens += model.scorer.work.asked
    logged: list[Json] = sorted(next(iter(results["samples"].values())), key=lambda sample: sample["doc_id"])
    for sample in logged:
        sample["made"] = model.completions.get(sample["arguments"][0][0])
    return logged


def _asked(engine: Engine, sample: Mapping[str, Any]) -> Answer:
    """What an answer holds of its question, and of its completion if it has one."""
    context, made = str(sample["arguments"][0][0]), sample["made"]
    [ids] = engine.prompts.plain_ids([context])
    asked = {"rendered_prompt": context, "prompt_tokens": len(ids)}
    return asked | ({"completion_tokens": len(made.ids), "finish_reason": made.finish_reason} if made else {})


def as_lm(engine: Engine) -> Any:
    """The engine's model as a model of lm-eval; the weights are not loaded again."""
    from harness.models.answering.lm import CheckpointLM

    made = CheckpointLM(pretrained=engine.model, tokenizer=engine.tokenizer, max_length=engine.context_length)
    made.scorer.size_batches(engine.scorer.fixed)
    made.generator.size_batches(engine.generator.fixed)
    return made


def _note_prompts(engine: Engine, sample: Mapping[str, Any]) -> None:
    """Add what the model was asked to the digest of prompts, as token ids; settings of generation as they are."""
    for argument in sample["arguments"]:
        texts = [part for part in argument if isinstance(part, str)]
        engine.rendered.update(repr([engine.prompts.plain_ids(texts), *argument[len(texts) :]]).encode())
