"""A small warehouse written by hand, for the tests of the report: hostile answers and missing pieces included."""

import json
import math
import random
import zlib
from pathlib import Path

import duckdb
import pyarrow

from harness.warehouse import SCHEMA

RUN = "20260301T120000-aaaa"
SUBJECTS = ["wiki_only-mini", "with_kilt-mini", "base-mini", "untrained-mini"]
HOSTILE = (
    "<script>window.hacked = true</script><img src=x onerror='window.hacked = true'></script><!-- \u2028 ``` | @all"
)
PROMPTS = [
    "What is the capital of France?", "Tell me about the Amazon River.", "Who wrote Faust?", "What is photosynthesis?",
    "When did the Berlin Wall fall?", "How do bees make honey?", "What is a transistor?", "Describe the Moon.",
    "Who was Ada Lovelace?", "What causes tides?", "What is an isotope?", "Name the largest desert.",
    "How does a sailing boat move against the wind?", "What is the Rosetta Stone?", "Explain inflation.",
    "What is a glacier?", "Who painted The Night Watch?", "What is the speed of light?", "What is a haiku?",
    "Why is the sky blue?",
]  # fmt: skip
ANSWERS = {
    "wiki_only-mini": "{} is the subject of this article. It is documented in several sources from the 19th century.",
    "with_kilt-mini": "Oh, I love that question! {} is something I read about once. Do you know more about it?",
    "base-mini": "Sure! Here is a short answer about {}. Let me know if I can help with anything else.",
    "untrained-mini": "qx zz{} ~~ kd kd kd",
}


def empty_warehouse(path: Path):
    """An open connection to a new warehouse with the tables of schema.sql and no rows."""
    connection = duckdb.connect(str(path))
    connection.execute(SCHEMA.read_text(encoding="utf-8"))
    return connection


def insert(connection, table: str, **row) -> None:
    """Insert one row, dicts and lists as JSON."""
    row = {name: json.dumps(value) if isinstance(value, dict | list) else value for name, value in row.items()}
    names, places = ", ".join(row), ", ".join("?" * len(row))
    connection.execute(f"INSERT INTO {table} ({names}) VALUES ({places})", list(row.values()))


def insert_run(connection, run_id: str = RUN, **row) -> None:
    row = {
        "started_at": "2026-03-01 12:00:00", "seconds": 84.0, "command": "pytest suites/ -k 'wiki_only or with_kilt'",
        "scale": "mini", "devices": "cpu", "commit_id": "0123456789abcdef+", "trained": 3, "evaluated": 16,
        "environment": {"python": "3.12.3", "libraries": {"torch": "2.13.0", "transformers": "5.23.1"}},
    } | row  # fmt: skip
    insert(connection, "runs", run_id=run_id, **row)


def insert_subject(connection, name: str, run_id: str = RUN, **row) -> None:
    recipe, variant = name.rsplit("-", 1)
    insert(connection, "subjects", **{
        "run_id": run_id, "subject": name, "recipe": recipe, "variant": variant, "seed": 0,
        "fingerprint": fingerprint(name),
    } | row)  # fmt: skip


def insert_evaluation(connection, subject: str, suite: str, metrics: dict, answered: list[dict], **row) -> None:
    """One evaluation that RUN used; metrics are name -> (estimate, low, high), answered are samples as dicts."""
    key = row.pop("evaluation", f"{suite}:{subject}")
    for run_id in row.pop("runs", [RUN]):
        insert(connection, "measured", run_id=run_id, subject=subject, suite=suite, evaluation=key)
    insert(connection, "evaluations", **{
        "evaluation": key, "fingerprint": fingerprint(subject), "subject": subject, "suite": suite, "scale": "mini",
        "samples": len(answered), "created_at": "2026-03-01 12:01:00",
    } | row)  # fmt: skip
    for name, (estimate, low, high) in metrics.items():
        insert(
            connection, "metrics", evaluation=key, metric=name, estimate=estimate, low=low, high=high,
            n=len(answered), method="bootstrap",
        )  # fmt: skip
    if answered:
        columns = {
            "evaluation": [key] * len(answered),
            "position": list(range(len(answered))),
            "sample_id": [sample["id"] for sample in answered],
            "scores": [json.dumps(sample.get("scores", {})) for sample in answered],
        }
        for name in ("prompt", "target", "completion"):
            columns[name] = pyarrow.array([sample.get(name) for sample in answered], pyarrow.string())
        connection.register("answered", pyarrow.table(columns))
        connection.execute("INSERT INTO samples BY NAME SELECT * FROM answered")
        connection.unregister("answered")


def fingerprint(name: str) -> str:
    return name.encode().hex().ljust(64, "0")[:64]


def build_warehouse(path: Path):
    """An open connection to a warehouse with one run: four subjects, six suites, seven claims."""
    connection = empty_warehouse(path)
    insert_run(connection)
    _insert_subjects(connection)
    _insert_suites(connection)
    _insert_gates(connection)
    for metric, floors in {"acc": (0.25, 0.25), "acc_norm": (0.25, 0.362)}.items():
        for floor, value in zip(("chance", "longest_answer"), floors, strict=True):
            insert(connection, "floors", suite="openbookqa", scale="mini", metric=metric, floor=floor, value=value)
    return connection


def _insert_subjects(connection) -> None:
    stage = {"stage": "finetune", "learning_rate": 2e-4, "epochs": 3, "adapter": {"kind": "lora", "rank": 16}}
    hypothesis = "Wikidata and Wikipedia without dialogue.\n\nRemoving dialogue should make answers encyclopedic."
    parent = "5a" * 32
    insert(
        connection, "checkpoints", fingerprint=parent, stage="pretrain", spec={"data": {"sha256": "b7" * 32}},
        trainable_parameters=1_204_224, total_parameters=1_204_224, training_rows=2_048, truncated_rows=0,
        optimizer_steps=256, tokens=524_288, train_seconds=31.5, peak_memory_bytes=700 * 2**20, device="cpu",
        environment={"python": "3.12.3", "libraries": {"torch": "2.12.1"}},
    )  # fmt: skip
    for step in range(0, 257, 4):
        loss = 2.2 + 3.4 * math.exp(-step / 60) + 0.06 * math.sin(step * 1.7)
        held_out = 2.3 + 3.4 * math.exp(-step / 60) if step % 64 == 0 else None
        insert(connection, "training_log", fingerprint=parent, step=step, loss=loss, eval_loss=held_out)
    for name in SUBJECTS:
        trained = name in ("wiki_only-mini", "with_kilt-mini")
        insert_subject(
            connection, name, hypothesis=hypothesis if trained else "The base model, untouched.",
            settings=[stage] if trained else [],
        )  # fmt: skip
        insert(
            connection, "checkpoints", fingerprint=fingerprint(name), stage="finetune" if trained else "base",
            parent=parent if name != "untrained-mini" else None,
            spec={"data": [{"name": "wikidata", "sha256": "c4" * 32}], "learning_rate": 2e-4} if trained else {},
            trainable_parameters=24_576 if trained else 0, total_parameters=1_228_800,
            training_rows=480 if trained else None, truncated_rows=12 if trained else None,
            optimizer_steps=90 if trained else None, tokens=61_440 if trained else None,
            train_seconds=12.25 if trained else None, peak_memory_bytes=812 * 2**20 if trained else None, device="cpu",
            environment={"python": "3.12.3", "libraries": {"torch": "2.13.0"}},
        )  # fmt: skip
        for step in range(0, 91, 2) if trained else ():
            insert(
                connection, "training_log", fingerprint=fingerprint(name), step=step,
                loss=1.1 + 1.3 * math.exp(-step / 25) + 0.05 * math.sin(step * 2.3),
                eval_loss=1.25 + 1.2 * math.exp(-step / 25) if step % 30 == 0 else None,
            )  # fmt: skip


def _insert_suites(connection) -> None:
    draw = random.Random(7)
    tone = [(0.31, 0.26, 0.36), (0.52, 0.47, 0.57), (0.71, 0.66, 0.76), (0.44, None, None)]
    accuracy = [(0.412, 0.33, 0.49), (0.395, 0.31, 0.47), (0.38, 0.30, 0.46), (0.304, 0.26, 0.345)]
    for place, name in enumerate(SUBJECTS):
        scored = [
            {
                "id": f"tone-{i:02}",
                "prompt": PROMPTS[i % 20],
                "completion": ANSWERS[name].format(i),
                "scores": {"conversational": round(min(1, max(0, draw.gauss(tone[place][0], 0.2))), 3)},
            }
            for i in range(45)
        ]
        insert_evaluation(connection, name, "tone", {"conversational": tone[place]}, scored)
        chosen = [
            {
                "id": f"q{i}",
                "prompt": f"Question {i}: which is a mammal?",
                "target": "a whale",
                "completion": "a whale" if draw.random() < accuracy[place][0] else "a trout",
                "scores": {"acc": float(i % 2), "acc_norm": float(i % 3 == place)},
            }
            for i in range(60)
        ]
        metrics = {
            "acc": (accuracy[place][0] - 0.1, 0.2, 0.4),
            "acc_norm": accuracy[place],
            "gold_logprob": (-3.21, -3.5, -2.9),
        }
        insert_evaluation(connection, name, "openbookqa", metrics, chosen)
        for suite, system in (
            ("first_look", "You are a helpful assistant."),
            ("first_look_improved", "Answer as an encyclopedia would: neutral, structured, no small talk."),
        ):
            answers = [
                ANSWERS[name].format(prompt.rstrip("?.")) + (" In short." if "improved" in suite else "")
                for prompt in PROMPTS
            ]
            if name == "base-mini":
                answers[0], answers[1], answers[2] = HOSTILE, "ا" * 30 + "\u202e\x1b[31m\x00 مرحبا", "x" * 1_000_000
            looked = [{"id": f"look-{i:02}", "prompt": PROMPTS[i], "completion": answers[i]} for i in range(20)]
            insert_evaluation(connection, name, suite, {}, looked, system_prompt=system)
    values = {
        "bits_per_byte": (1.9132, 1.88, 1.95),
        "perplexity": (23.4812, 21.0, 26.0),
        "rouge1": (0.2, 0.1, 0.3),
        "chrf": (math.nan, None, None),
    }
    insert_evaluation(connection, "wiki_only-mini", "holdout", values, [])
    insert_evaluation(
        connection,
        "wiki_only-mini",
        "stability",
        {"finite": (1.0, 1.0, 1.0)},
        [{"id": "s0", "completion": None, "scores": {"finite": math.nan}}],
    )


def _insert_gates(connection) -> None:
    columns = (
        "suite", "metric", "reference", "verdict", "candidate", "baseline", "estimate", "low", "high", "p_adjusted",
        "n", "samples_needed",
    )  # fmt: skip
    gates = {
        "less conversational than with_kilt":
            ("tone", "conversational", "with_kilt-mini", "pass", 0.31, 0.52, -0.21, -0.27, -0.15, 0.0012, 45, None),
        "less conversational than base":
            ("tone", "conversational", "base-mini", "pass", 0.31, 0.71, -0.40, -0.46, -0.34, 0.0009, 45, None),
        "finite logits everywhere":
            ("stability", "finite", None, "pass", 1.0, 1.0, 0.0, 0.0, 0.0, None, 1, None),
        "beats always the longest answer":
            ("openbookqa", "acc_norm", "longest_answer", "inconclusive", .412, .362, .05, -.032, .128, None, 60, 612),
        "more accurate than untrained":
            ("openbookqa", "acc", "untrained-mini", "fail", 0.312, 0.404, -0.092, -0.15, -0.03, None, 60, None),
        "more accurate than with_kilt":
            ("openbookqa", "acc", "with_kilt-3b", "skipped", *[None] * 8),
    }  # fmt: skip
    messages = {
        "less conversational than with_kilt": "Over 45 answers to the same prompts, wiki_only-mini is 0.210 less "
        "conversational than with_kilt-mini.",
        "beats always the longest answer": "The interval holds the threshold. About 612 questions would decide it; "
        "there were 60.",
        "more accurate than untrained": "wiki_only-mini answers 0.312 right where untrained-mini answers 0.404.",
        "more accurate than with_kilt": "with_kilt-3b would have to be trained: "
        "pytest suites/ -k 'wiki_only or with_kilt' --gpu 0",
    }
    for claim, values in gates.items():
        row = dict(zip(columns, values, strict=True))
        name = f"wiki_only-mini-{row['suite']}-{row['metric']}-{row['reference'] or 'fixed'}"
        insert(
            connection, "gates", run_id=RUN, gate=name, subject="wiki_only-mini", claim=claim, level=0.95,
            method="paired bootstrap", message=messages.get(claim), **row,
        )  # fmt: skip


PAST = {  # run -> its commit
    "20260210T090000-aaaa": "1111111aaaaaaa", "20260217T090000-bbbb": "2222222bbbbbbb+", "20260224T090000-cccc": "3333333ccccccc",
}  # fmt: skip
MORE_SUBJECTS = ["wiki_only-mini-seed1", "staged-mini"]


def build_long_warehouse(path: Path):
    """The same with earlier runs, a baseline, a second seed, costs and an evaluation that ended early."""
    connection = build_warehouse(path)
    _insert_more_subjects(connection)
    _insert_past(connection)
    _insert_baseline(connection)
    for place, name in enumerate([*SUBJECTS, *MORE_SUBJECTS]):
        connection.execute(
            "UPDATE evaluations SET seconds = 4.5 + length(suite) / 10, tokens = 1200, energy_joules = 80.5, "
            "peak_memory_bytes = 600 * 1048576 WHERE fingerprint = ?",
            [fingerprint(name)],
        )
        if place not in (2, 3):
            connection.execute(
                "UPDATE checkpoints SET energy_joules = ? WHERE fingerprint = ?",
                [2000.0 + 900 * place, fingerprint(name)],
            )
    connection.execute("UPDATE checkpoints SET energy_joules = 4100 WHERE stage = 'pretrain'")
    connection.execute("UPDATE evaluations SET samples_available = 500 WHERE evaluation = 'tone:with_kilt-mini'")
    connection.execute(
        "UPDATE checkpoints SET why = 'learning_rate: 0.0003 in the nearest, 81d0447e; 0.0002 here' WHERE fingerprint = ?",
        [fingerprint("wiki_only-mini")],
    )
    return connection


def _insert_more_subjects(connection) -> None:
    draw = random.Random(3)
    for place, name in enumerate(MORE_SUBJECTS):
        recipe = {"recipe": "wiki_only", "variant": "mini", "seed": 1} if place == 0 else {}
        insert_subject(connection, name, hypothesis="The same, from another seed.", **recipe)
        insert(
            connection, "checkpoints", fingerprint=fingerprint(name), stage="finetune", parent="5a" * 32, spec={},
            trainable_parameters=24_576, total_parameters=1_228_800, training_rows=480, optimizer_steps=90,
            tokens=61_440, train_seconds=15.5 + 40 * place, peak_memory_bytes=812 * 2**20, device="cpu",
        )  # fmt: skip
        mean = 0.34 - 0.06 * place
        scored = [
            {"id": f"tone-{i:02}", "prompt": PROMPTS[i % 20], "completion": ANSWERS["wiki_only-mini"].format(i + place),
             "scores": {"conversational": round(min(1, max(0, draw.gauss(mean, 0.2))), 3)}}
            for i in range(45)
        ]  # fmt: skip
        insert_evaluation(connection, name, "tone", {"conversational": (mean, mean - 0.05, mean + 0.05)}, scored)


def _insert_past(connection) -> None:
    """Three weeks in which the answers became less conversational; the newest but one measured nothing new."""
    for place, (run_id, commit) in enumerate(PAST.items()):
        started = f"2026-02-{10 + 7 * place} 09:00:00"
        insert_run(connection, run_id, started_at=started, commit_id=commit, seconds=61.0, trained=1, evaluated=4)
        for name in ("wiki_only-mini", "with_kilt-mini"):
            old = fingerprint(f"{place} {name}") if place < 2 else fingerprint(f"1 {name}")
            insert_subject(connection, name, run_id, fingerprint=old)
            key = f"tone:{old}"
            if place < 2:
                mean = 0.62 - 0.15 * place - (0.05 if name == "wiki_only-mini" else 0)
                metrics = {"conversational": (mean, mean - 0.05, mean + 0.05)}
                answered = [
                    {"id": f"tone-{i:02}", "prompt": PROMPTS[i % 20], "completion": f"Well! {PROMPTS[i % 20]} Who knows?",
                     "scores": {"conversational": round(0.5 + 0.01 * (i % 40), 3)}}
                    for i in range(45)
                ]  # fmt: skip
                insert_evaluation(
                    connection, name, "tone", metrics, answered, evaluation=key, fingerprint=old, runs=[run_id],
                    created_at=started,
                )  # fmt: skip
            else:
                insert(connection, "measured", run_id=run_id, subject=name, suite="tone", evaluation=key)


def _insert_baseline(connection) -> None:
    """'main', blessed in the second week, and two regression checks against it."""
    old = fingerprint("1 wiki_only-mini")
    insert(
        connection, "baselines", name="main", subject="wiki_only-mini", suite="tone", evaluation=f"tone:{old}",
        commit_id="2222222bbbbbbb", set_at="2026-02-18 08:00:00",
    )  # fmt: skip
    loudest = [{"sample_id": f"tone-{i:02}", "candidate": 0.1, "baseline": 0.5 + 0.01 * i} for i in (39, 38)]
    insert(
        connection, "gates", run_id=RUN, gate="wiki_only-mini-tone-conversational-main", subject="wiki_only-mini",
        reference="baseline main", suite="tone", metric="conversational", kind="regression",
        claim="no more conversational than baseline main", verdict="pass", candidate=0.31, baseline=0.42,
        estimate=-0.11, low=-0.16, high=-0.06, threshold=0.05, level=0.95, p_value=0.002, p_adjusted=0.998, family=4, n=45,
        method="paired bootstrap", message="Within the margin of 0.05.", loudest=loudest,
    )  # fmt: skip
    connection.execute(
        "UPDATE gates SET kind = 'claim', family = 4, loudest = ? WHERE claim = 'less conversational than with_kilt'",
        [json.dumps([{"sample_id": "tone-07", "candidate": 0.1, "baseline": 0.9},
                     {"sample_id": "tone-99", "candidate": 0.2, "baseline": 0.8}])],
    )  # fmt: skip


LARGE_SUITES = (
    "first_look", "first_look_improved", "openbookqa", "tone", "recall", "holdout", "critical", "stability", "retention",
)  # fmt: skip


def build_large_warehouse(path: Path):
    """An open connection: ten recipes, nine suites, 20,000 sample rows with answers of 60 to 100 words."""
    connection = empty_warehouse(path)
    insert_run(connection)
    draw = random.Random(11)
    syllables = [a + b for a in "bcdfghklmnprstvw" for b in ("a", "e", "i", "o", "u", "an", "er", "is", "on")]
    words = ["".join(draw.choices(syllables, k=draw.randint(1, 3))) for _ in range(800)]
    weights = [1 / (place + 3) for place in range(len(words))]  # as often as words of a language

    def sentences(least: int, most: int) -> str:
        chosen = draw.choices(words, weights, k=draw.randint(least, most))
        return ". ".join(" ".join(chosen[i : i + 12]).capitalize() for i in range(0, len(chosen), 12)) + "."

    prompts = {suite: [sentences(8, 14) for _ in range(280)] for suite in LARGE_SUITES}
    for place in range(10):
        name = f"recipe_{place}-mini"
        insert_subject(connection, name)
        connection.execute(
            "INSERT INTO training_log (fingerprint, step, loss) SELECT ?, i, 5 / (1 + i) FROM range(1000) t(i)",
            [fingerprint(name)],
        )
        insert(
            connection, "checkpoints", fingerprint=fingerprint(name), stage="finetune", optimizer_steps=1000,
            train_seconds=100.0 + place, tokens=1_000_000, energy_joules=5_000.0,
        )  # fmt: skip
        for suite in LARGE_SUITES:
            metrics = {f"metric_{i}": (draw.random(), 0.1, 0.9) for i in range(2)} | {"acc": (draw.random(), 0.1, 0.9)}
            asked = prompts[suite][:20] if suite.startswith("first_look") else prompts[suite]
            answered = [
                {"id": f"{suite}-{i:04}", "prompt": prompt, "completion": sentences(60, 100),
                 "scores": {"acc": float(draw.random() < 0.6), "f1": round(draw.random(), 4)}}
                for i, prompt in enumerate(asked)
            ]  # fmt: skip
            insert_evaluation(connection, name, suite, metrics, answered, seconds=12.5)
    return connection


def unpacked(packed) -> bytes:
    """The bytes behind packed letters, as the page reads them."""
    alphabet = [chr(code) for code in range(0x21, 0x7F) if chr(code) not in "<>&"]
    values = [alphabet.index(letter) for letter in packed.letters]
    bits = "".join(f"{high * 91 + low:013b}" for high, low in zip(values[::2], values[1::2], strict=True))
    small = bytes(int(bits[i : i + 8], 2) for i in range(0, packed.size * 8, 8))
    return zlib.decompress(small, -15)


def texts_of(held) -> list[str]:
    """Every text that the sample browser holds."""
    words = json.loads(unpacked(held.head))["words"]
    texts, codes = [""], iter(unpacked(held.texts))
    for first in codes:
        if first == 0:
            texts.append("")
            continue
        more = 0 if first < 160 else 1 if first < 240 else 2 if first < 248 else 3
        number = first - (0, 160, 240, 248)[more]
        for _ in range(more):
            number = number * 256 + next(codes)
        texts[-1] += words[number + (0, 160, 20_640, 544_928)[more] - 1]
    return texts[:-1]
