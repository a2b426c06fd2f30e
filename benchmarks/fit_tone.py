"""Fit the tone classifier of harness/scoring/tone.py and write its tone.json.

    python benchmarks/fit_tone.py --data-root DIR           fit, validate, write tone.json
    python benchmarks/fit_tone.py --data-root DIR --check   recompute the validation figures only, and compare

Texts of both kinds are cut or joined to five bands of length, and each band of each kind weighs the same, so that
length cannot decide. Some texts of both kinds lose their punctuation, case or apostrophes, so that the surface of a
source cannot either. A source weighs by the root of its size. The half of tone_labelled.jsonl that `is_held_out`
picks is never fitted.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # not this folder, whose statistics.py is not Python's own

import argparse
import hashlib
import json
import random
import re
from collections import Counter, defaultdict

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

ROOT = Path(__file__).resolve().parents[1]
from harness.scoring import tone

BANDS = ((3, 8), (9, 16), (17, 35), (36, 80), (81, 250))  # words
ROWS_PER_SOURCE_AND_BAND = 400
PRIOR_WORDS = 10.0  # 5 to 15, and penalties 0.02 to 0.2, move the left-out sources' AUC by less than 0.002
INVERSE_PENALTY = 0.02
CONSTANT_SCALE = 5.0  # large, so that the penalty hardly holds the constant back
SEED = 20260207
LABELLED = ROOT / "harness/data/mini/tone_labelled.jsonl"
PARAMETERS = ROOT / "harness/scoring/tone.json"
CONVERSATIONAL, ENCYCLOPEDIC = 1, 0


def read_rows(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def is_held_out(row_id: str) -> bool:
    """Whether a row of tone_labelled.jsonl is kept from fitting: half of them, by a hash of the id."""
    return hashlib.sha256(row_id.encode()).digest()[0] % 2 == 0


def read_sources(root: Path) -> dict[tuple[str, int], list[str]]:
    """Documents by (source, label). A document may be cut anywhere between sentences."""
    tone_rows = read_rows(root / "tone/tone_train.jsonl")
    dialogues = [[turn["text"] for turn in row["turns"]] for row in read_rows(root / "dialogues/wow_dialogues.jsonl")]
    stories = (root / "tinystories/train.txt").read_text(encoding="utf-8").split("<|endoftext|>")
    questions = read_rows(root / "statistics/crossvalidated_qa.jsonl")
    facts = (root / "openbookqa/openbook.txt").read_text(encoding="utf-8")
    wikitext = (root / "wikitext/wiki.valid.tokens").read_text(encoding="utf-8").splitlines()
    chunks = [row["text"] for row in read_rows(root / "wikipedia/chunks.jsonl") if row["split"] == "train"]
    return {
        ("tone/wizard-of-wikipedia", 1): [r["text"] for r in tone_rows if r["label"] == "conversational"],
        ("dialogues/joined", 1): [" ".join(turns) for turns in dialogues],
        ("dialogues/one_speaker", 1): [" ".join(turns[side::2]) for turns in dialogues for side in (0, 1)],
        ("tinystories/speech", 1): [" ".join(quoted_speech(story)) for story in stories],
        ("crossvalidated/questions", 1): [row["question"] for row in questions],
        ("tone/wikipedia", 0): [r["text"] for r in tone_rows if r["label"] == "encyclopedic"],
        ("wikipedia/chunks", 0): chunks,
        ("wikitext", 0): [plain_wikitext(line) for line in wikitext if len(line) > 80 and " = " not in line],
        ("openbookqa/facts", 0): facts.replace('"', "").splitlines(),
        ("webnlg", 0): [text for row in read_rows(root / "facts/webnlg_facts.jsonl") for text in row["texts"][:1]],
        ("trex", 0): [r["statement"] for r in read_rows(root / "facts/trex_facts.jsonl") if r["statement"]],
        ("arxiv", 0): [row["abstract"] for row in read_rows(root / "statistics/arxiv_stat_abstracts.jsonl")],
    }


def read_narration(root: Path) -> dict[tuple[str, int], list[str]]:
    """Stories without their speech: of neither kind, so they are fitted under both labels and pull to 0.5."""
    stories = (root / "tinystories/train.txt").read_text(encoding="utf-8").split("<|endoftext|>")
    return {("tinystories/narration", 0): [re.sub('[“"][^“”"]*[”"]', "", story) for story in stories]}


def quoted_speech(story: str) -> list[str]:
    return [s.rstrip(",") for s in re.findall(r'"([^"\n]{12,300})"', re.sub("[“”]", '"', story))]


def plain_wikitext(line: str) -> str:
    """A line as prose; a name stands for each unknown word, since most of those are names."""
    line = re.sub(r" @(.)@ ", r"\1", line.strip()).replace("<unk>", "Brandon")
    return re.sub(r" ([.,;:?!)])", r"\1", line).replace("( ", "(")


def cut(document: str, low: int, high: int, rng: random.Random) -> str | None:
    """Some consecutive sentences of the document with low to high words; for few words also a clause."""
    parts = re.split(r"(?<=[.!?])\s+" if high > 8 or rng.random() < 0.5 else r"(?<=[.!?,;:])\s+", document)
    for _ in range(4):
        start, words = rng.randrange(len(parts)), []
        for part in parts[start:]:
            if len(words) + len(part.split()) > high:
                break
            words += part.split()
            if len(words) >= low and rng.random() < 0.5:
                break
        if low <= len(words) <= high:
            return " ".join(words)
    return None


def roughen(text: str, rng: random.Random) -> str:
    """For three texts in ten: without punctuation, without case, without apostrophes, or without the last mark."""
    way = rng.random()
    if way < 0.08:
        return re.sub(r"[^\w\s']", "", text).lower()
    if way < 0.16:
        return re.sub(r"[!?]", ".", text)
    if way < 0.22:
        return text.replace("'", "").replace("’", "").lower()
    return text.rstrip(".!?") if way < 0.30 else text


def draw(sources, rng):
    """Fitting rows (source, label, band, text), at most ROWS_PER_SOURCE_AND_BAND for each source and band.

    Short documents are joined for the longer bands, since no source may live in one band only.
    """
    rows = []
    for (source, label), documents in sorted(sources.items()):
        for band, (low, high) in enumerate(BANDS):
            for _ in range(ROWS_PER_SOURCE_AND_BAND):
                document = rng.choice(documents)
                if len(document.split()) < low:
                    document = " ".join([document, *rng.choices(documents, k=high // 12)])
                if text := cut(document, low, high, rng):
                    rows.append((source, label, band, roughen(text, rng)))
    return rows


def labelled_rows(held_out: bool):
    return [
        (f"tone_labelled/{row['source']}", int(row["label"] == "conversational"), band_of(row["text"]), row["text"])
        for row in read_rows(LABELLED)
        if is_held_out(row["id"]) == held_out
    ]


def band_of(text: str) -> int:
    return next(band for band, (_, high) in enumerate(BANDS) if len(text.split()) <= high or band == 4)


def weights_of(rows) -> np.ndarray:
    """Weights by which both kinds weigh the same in each band, and a source by the root of its rows there."""
    sizes = Counter((source, label, band) for source, label, band, _ in rows)
    sums = defaultdict(float)
    for (_, label, band), size in sizes.items():
        sums[label, band] += size**0.5
    weights = np.array([sizes[source, label, band] ** -0.5 / sums[label, band] for source, label, band, _ in rows])
    return weights * len(rows) / weights.sum()


class Fitted:
    """Typical rates and weights, by logistic regression without an intercept.

    In its place stands a constant that grows with the text as every other feature does. It is then folded into the
    typical rates, which move from midway between the two kinds towards one of them. So a text in which nothing is
    unusual scores 0.5 at any length, and the absence of a cue says less than its presence.
    """

    def __init__(self, rows, tallies):
        labels, weights = np.array([row[1] for row in rows]), weights_of(rows)
        totals = np.array([total for total, _ in tallies], float)
        counts = np.array([[found[name] for name in tone.WEIGHED] for _, found in tallies], float)
        by_words = [weights * totals * (labels == kind) for kind in (ENCYCLOPEDIC, CONVERSATIONAL)]
        encyclopedic, conversational = [100 * (w @ (counts / totals[:, None])) / w.sum() for w in by_words]
        midway = (encyclopedic + conversational) / 2
        constant = CONSTANT_SCALE * (totals / (totals + PRIOR_WORDS))[:, None]
        self.typical = midway
        distances = self.distances(tallies)
        scale = np.sqrt(np.average(distances**2, axis=0, weights=weights))
        model = LogisticRegression(C=INVERSE_PENALTY, fit_intercept=False, max_iter=5000, tol=1e-6)
        model.fit(np.hstack([distances / scale, constant]), labels, sample_weight=weights)
        *weights, constant_weight = model.coef_[0]
        self.weights = np.array(weights) / scale
        gap = conversational - encyclopedic
        self.typical = midway - gap * CONSTANT_SCALE * constant_weight / (self.weights @ gap)

    def distances(self, tallies):
        typical = dict(zip(tone.WEIGHED, self.typical))
        return np.array([tone.distances(total, found, typical, PRIOR_WORDS) for total, found in tallies])

    def log_odds(self, tallies):
        return self.distances(tallies) @ self.weights


def family_of(source: str) -> str:
    """The sources that are left out together, because they share their texts or their hand."""
    same = {
        "wow": ("tone/wizard-of-wikipedia", "dialogues/joined", "dialogues/one_speaker"),
        "wikipedia": ("tone/wikipedia", "wikipedia/chunks", "wikitext"),
    }
    return next((name for name, members in same.items() if source in members), source.split("/")[0])


def left_out(rows, tallies, neither, neither_tallies):
    """Log-odds of each row from models that saw neither its family nor a family of the other kind.

    Returns the mean over the families of the other kind, and the AUC of each such pair of unseen families.
    """
    families = np.array([family_of(row[0]) for row in rows])
    labels, weights = np.array([row[1] for row in rows]), weights_of(rows)
    sums, times, pairs = np.zeros(len(rows)), np.zeros(len(rows)), {}
    for spoken in sorted(set(families[labels == CONVERSATIONAL])):
        for written in sorted(set(families[labels == ENCYCLOPEDIC])):
            out = np.where(labels == CONVERSATIONAL, families == spoken, families == written)
            seen, unseen = np.flatnonzero(~out), np.flatnonzero(out)
            fitted = Fitted([rows[i] for i in seen] + neither, [tallies[i] for i in seen] + neither_tallies)
            log_odds = fitted.log_odds([tallies[i] for i in unseen])
            pairs[f"{spoken} against {written}"] = figure(
                roc_auc_score(labels[unseen], log_odds, sample_weight=weights[unseen])
            )
            sums[unseen] += log_odds
            times[unseen] += 1
    return sums / times, pairs


def calibration_slope(log_odds, rows) -> float:
    """The factor that makes log-odds of unseen sources honest: a logistic regression on them alone, at the origin."""
    labels = np.array([row[1] for row in rows])
    model = LogisticRegression(C=1e6, fit_intercept=False)
    return float(model.fit(log_odds[:, None], labels, sample_weight=weights_of(rows)).coef_[0, 0])


def figure(value) -> float:
    return round(float(value), 4)


def quality(labels, probabilities, weights) -> dict:
    """AUC, accuracy at 0.5, Brier score and expected calibration error in ten bins of equal width."""
    bins = np.minimum((probabilities * 10).astype(int), 9)
    error = sum(abs(np.sum((weights * (probabilities - labels))[bins == b])) for b in range(10)) / weights.sum()
    return {
        "rows": len(labels),
        "auc": figure(roc_auc_score(labels, probabilities, sample_weight=weights)),
        "accuracy": figure(np.average((probabilities > 0.5) == labels, weights=weights)),
        "brier": figure(np.average((probabilities - labels) ** 2, weights=weights)),
        "calibration_error": figure(error),
    }


def report(rows, probabilities) -> dict:
    """Quality overall and by length, and by source how many are on their own side and the mean probability."""
    labels, bands = (np.array([row[column] for row in rows]) for column in (1, 2))
    weights = weights_of(rows)
    sources = {}
    for name in sorted({row[0] for row in rows}):
        mine = np.array([row[0] == name for row in rows])
        right = np.mean((probabilities[mine] > 0.5) == labels[mine])
        sources[name] = {
            "rows": int(mine.sum()),
            "label": "conversational" if labels[mine][0] else "encyclopedic",
            "accuracy": figure(right),
            "mean_probability": figure(probabilities[mine].mean()),
        }
    return {
        "overall": quality(labels, probabilities, weights),
        "by_length": {
            f"{low}-{high} words": quality(*(x[bands == band] for x in (labels, probabilities, weights)))
            for band, (low, high) in enumerate(BANDS)
            if len(set(labels[bands == band])) == 2
        },
        "by_source": sources,
    }


def neither_kind(root: Path, probability_of) -> dict:
    """Texts never fitted that are of neither kind: mean probability and the share above 0.5."""
    stories = (root / "tinystories/valid.txt").read_text(encoding="utf-8").split("<|endoftext|>")
    texts = {
        "dolly answers": [r["output"] for r in read_rows(root / "instructions/dolly_6k.jsonl")[:1000]],
        "alpaca answers": [r["output"] for r in read_rows(root / "instructions/alpaca_2k.jsonl")[:1000]],
        "openstax exercises": [
            r["question"] for r in read_rows(root / "statistics/openstax_statistics_exercises.jsonl")
        ],
        "crossvalidated answers": [r["answer"] for r in read_rows(root / "statistics/crossvalidated_qa.jsonl")],
        "tinystories narration": [re.sub(r'"[^"]*"', "", story) for story in stories],
    }
    found = {}
    for name, members in texts.items():
        values = np.array([probability_of(text) for text in members if re.search(r"\w", text)])
        found[name] = {
            "rows": len(values),
            "mean_probability": figure(values.mean()),
            "above_half": figure((values > 0.5).mean()),
        }
    return found


def fit_and_validate(root: Path) -> dict:
    """Everything tone.json holds."""
    rng = random.Random(SEED)
    rows = draw(read_sources(root), rng) + labelled_rows(held_out=False)
    neither = [
        (source, label, band, text)
        for source, _, band, text in draw(read_narration(root), rng)
        for label in (ENCYCLOPEDIC, CONVERSATIONAL)
    ]
    tallies = [tone.tally(text) for *_, text in rows]
    neither_tallies = [tone.tally(text) for *_, text in neither]
    unseen_log_odds, pairs = left_out(rows, tallies, neither, neither_tallies)
    slope = calibration_slope(unseen_log_odds, rows)
    fitted = Fitted(rows + neither, tallies + neither_tallies)

    def probabilities(log_odds):
        return 1 / (1 + np.exp(-slope * log_odds))

    held_out = labelled_rows(held_out=True)
    return {
        "about": ABOUT,
        "fitted_rows": dict(sorted(Counter(source for source, *_ in rows + neither).items())),
        "prior_words": PRIOR_WORDS,
        "calibration_slope": figure(slope),
        "typical": dict(zip(tone.WEIGHED, map(figure, fitted.typical))),
        "weights": dict(zip(tone.WEIGHED, map(figure, fitted.weights))),
        "validation": {
            "left_out_sources": report(rows, probabilities(unseen_log_odds)) | {"auc_of_pairs": pairs},
            "held_out_labelled": report(
                held_out, probabilities(fitted.log_odds([tone.tally(text) for *_, text in held_out]))
            ),
            "neither_kind": neither_kind(root, lambda text: probabilities(fitted.log_odds([tone.tally(text)]))[0]),
        },
    }


ABOUT = {
    "what": "Logistic regression of conversational against encyclopedic style; harness/scoring/tone.py reads it, "
    "benchmarks/fit_tone.py wrote it. typical and weights are per 100 words.",
    "sources": "Data root: tone, dialogues and tinystories (quoted speech), statistics (Cross Validated questions, "
    "arXiv abstracts), wikipedia, wikitext, openbookqa, facts. Written for the project: "
    "harness/data/mini/tone_labelled.jsonl, half of it fitted.",
    "licences": "Wikipedia, WikiText, T-REx, Wizard of Wikipedia, Cross Validated: CC BY-SA; TinyStories: "
    "CDLA-Sharing-1.0; WebNLG: CC BY-NC-SA 4.0; OpenBookQA: Apache-2.0; arXiv metadata: CC0. "
    "No text is kept here, only rates of style features.",
    "left_out_sources": "Each row is scored by models that saw neither its source nor one of the other kind.",
    "held_out_labelled": "Never fitted, but written by the same hand as the word lists: read it as an upper bound.",
}


def differences(stored, found, path="") -> list[str]:
    """Figures that differ by more than rounding of the solver, one line each."""
    if isinstance(found, dict):
        return [
            line
            for key in sorted(found.keys() | stored.keys())
            for line in differences(stored.get(key, {}), found.get(key, {}), f"{path}/{key}")
        ]
    same = abs(stored - found) < 0.002 if isinstance(found, float) and isinstance(stored, float) else stored == found
    return [] if same else [f"{path}: {stored} in tone.json, {found} now"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-root", type=Path, required=True)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    found = fit_and_validate(options.data_root)
    for name in ("left_out_sources", "held_out_labelled"):
        for part, row in {
            "overall": found["validation"][name]["overall"],
            **found["validation"][name]["by_length"],
        }.items():
            print(f"{name:18} {part:13}", *(f"{key} {value}" for key, value in row.items()))
    if options.check:
        lines = differences(json.loads(PARAMETERS.read_text())["validation"], found["validation"])
        print("\n".join(lines) or "The validation figures are those in tone.json.")
        return 1 if lines else 0
    PARAMETERS.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
