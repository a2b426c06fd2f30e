"""`harness data generate` and `harness data paraphrase`: rows that a model writes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.models import named
from harness.cli.shared import AsJson, DataRoot, Scale, StoreDir, note, print_json, show
from harness.errors import HarnessError
from harness.files import Json
from harness.serving.trained import one_device

if TYPE_CHECKING:
    from harness.data.building.written.filters import Limits
    from harness.data.building.written.kinds import Kind
    from harness.data.building.written.rows import Built, Written
    from harness.serving.author import Author

MILLION = 1_000_000
COLUMNS = {"what": "what", "count": "count"}
LENGTH = {"generate": 160, "paraphrase": 60}  # tokens of an answer, for each of --per-item

Output = Annotated[Path, typer.Option("--output", help="the file to write")]
PerItem = Annotated[int, typer.Option(min=1, help="wanted of each row")]
Endpoint = Annotated[
    str | None, typer.Option(metavar="URL", help="a server with OpenAI's interface, key in OPENAI_API_KEY")
]
Model = Annotated[str | None, typer.Option(metavar="NAME", help="the server's model")]
Checkpoint = Annotated[
    str | None, typer.Option(metavar="RECIPE", help="a checkpoint of the store, in place of a server")
]
Items = Annotated[int | None, typer.Option(help="the first so many rows; default: all")]
Temperature = Annotated[float, typer.Option(min=0.0, help="0: always the likeliest token")]
MaxNewTokens = Annotated[int | None, typer.Option(min=1, help="of an answer; default: by --per-item")]
AtOnce = Annotated[int, typer.Option(min=1, help="requests under way at once")]
PriceIn = Annotated[float, typer.Option(min=0.0, help="of a million tokens of prompts; the cost is then printed")]
PriceOut = Annotated[float, typer.Option(min=0.0, help="of a million tokens of answers")]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="print the first prompt and how many there are, and ask nothing")
]
Gpu = Annotated[str | None, typer.Option("--gpu", help="a CUDA device for --checkpoint; default: the CPU")]


@dataclass(frozen=True)
class Asked:
    """What both commands are given."""

    command: str
    file: Path
    output: Path
    per_item: int
    text: str | None
    items: int | None
    temperature: float
    max_new_tokens: int | None
    prices: tuple[float, float]  # of a million tokens of prompts, of answers
    dry_run: bool
    as_json: bool

    @property
    def longest(self) -> int:
        return self.max_new_tokens or self.per_item * LENGTH[self.command]


def generate(
    papers: Annotated[
        Path,
        typer.Argument(metavar="PAPERS", help="rows with an abstract or text, as `harness data arxiv` writes them"),
    ],
    output: Output,
    per_item: PerItem = 5,
    endpoint: Endpoint = None,
    model: Model = None,
    checkpoint: Checkpoint = None,
    text: Annotated[
        str | None, typer.Option("--text", metavar="FIELD", help="the field with the text; default: abstract, or text")
    ] = None,
    items: Items = None,
    temperature: Temperature = 0.0,
    max_new_tokens: MaxNewTokens = None,
    at_once: AtOnce = 16,
    min_words: Annotated[int, typer.Option(help="of an answer; shorter ones are left out")] = 5,
    max_words: Annotated[int, typer.Option(help="of an answer")] = 150,
    grounded: Annotated[float, typer.Option(help="share of an answer's words that its source must have")] = 0.6,
    price_in: PriceIn = 0.0,
    price_out: PriceOut = 0.0,
    dry_run: DryRun = False,
    scale: Scale = None,
    data_root: DataRoot = None,
    store: StoreDir = None,
    gpu: Gpu = None,
    as_json: AsJson = False,
) -> None:
    """Questions and answers about texts, written by a model and checked against their source."""
    from harness.data.building.written.filters import Limits
    from harness.data.building.written.kinds import Pairs

    asked = Asked(
        "generate",
        papers,
        output,
        per_item,
        text,
        items,
        temperature,
        max_new_tokens,
        (price_in, price_out),
        dry_run,
        as_json,
    )
    author = _author(endpoint, model, checkpoint, at_once, (scale, data_root, store, gpu))
    _write(asked, Pairs(), author, Limits(min_words, max_words, grounded))


def paraphrase(
    facts: Annotated[Path, typer.Argument(metavar="FACTS", help="rows with a statement, fact or text")],
    output: Output,
    per_item: PerItem = 5,
    endpoint: Endpoint = None,
    model: Model = None,
    checkpoint: Checkpoint = None,
    text: Annotated[
        str | None,
        typer.Option("--text", metavar="FIELD", help="the field with the fact; default: statement, fact, or text"),
    ] = None,
    items: Items = None,
    temperature: Temperature = 0.0,
    max_new_tokens: MaxNewTokens = None,
    at_once: AtOnce = 16,
    price_in: PriceIn = 0.0,
    price_out: PriceOut = 0.0,
    dry_run: DryRun = False,
    scale: Scale = None,
    data_root: DataRoot = None,
    store: StoreDir = None,
    gpu: Gpu = None,
    as_json: AsJson = False,
) -> None:
    """Further phrasings of facts, each with every name, number, code and key term of its fact."""
    from harness.data.building.written.filters import Limits
    from harness.data.building.written.kinds import Phrasings

    asked = Asked(
        "paraphrase",
        facts,
        output,
        per_item,
        text,
        items,
        temperature,
        max_new_tokens,
        (price_in, price_out),
        dry_run,
        as_json,
    )
    author = _author(endpoint, model, checkpoint, at_once, (scale, data_root, store, gpu))
    _write(asked, Phrasings(), author, Limits())


def _author(
    endpoint: str | None,
    model: str | None,
    checkpoint: str | None,
    at_once: int,
    stored: tuple[str | None, Path | None, str | None, str | None],
) -> Author:
    from harness.serving.author import Author, by_server

    if checkpoint is not None:
        if endpoint is not None or model is not None:
            raise HarnessError("--checkpoint and --endpoint: one of them writes.", "Leave one out.")
        scale, data_root, store, gpu = stored
        device = one_device(gpu)
        found = named(checkpoint, scale, data_root, store)
        return Author(found.name, found.place, device)
    if endpoint is None or model is None:
        raise HarnessError(
            "which model writes?", "Give --endpoint URL and --model NAME of a server, or --checkpoint RECIPE."
        )
    options = dict(zip(("--scale", "--data-root", "--store", "--gpu"), stored, strict=True))
    given = next((name for name, value in options.items() if value is not None), None)
    if given is not None:
        raise HarnessError(
            f"{given} is about a checkpoint, and a server writes.", "Leave it out, or give --checkpoint."
        )
    return by_server(endpoint, model, at_once)


def _write(asked: Asked, kind: Kind, author: Author, limits: Limits) -> None:
    """Ask about every item, leave out what does not stand, write the rest."""
    from harness.data.building.extra import check_extra
    from harness.data.building.output import check_output, line_of, rows_file, whole_characters
    from harness.data.building.written.items import read_items
    from harness.data.building.written.rows import build
    from harness.fingerprint.values import digest
    from harness.serving.author import Wanted, answers

    check_extra("py3langid", "tell the language of what is written")
    items = read_items(asked.file, (asked.text,) if asked.text else kind.fields_with_text, kind.own, asked.items)
    check_output(asked.output)
    if asked.output.exists() and asked.output.samefile(asked.file):
        raise HarnessError(f"--output {asked.output} is the file that is read.", "Name another file.")
    prompts = {item.id: whole_characters(kind.prompt(item, asked.per_item)) for item in items}
    if asked.dry_run:
        return _print_plan(asked, author, prompts)
    folder = asked.output.with_name(f"{asked.output.name}.answers")
    wanted = Wanted(kind.schema, kind.words, asked.longest, asked.temperature)
    found = answers(author, prompts, wanted, folder.resolve(), f"harness data {asked.command}")
    written = {name: _written(answer, digest([prompts[name], asdict(wanted)])[:16]) for name, answer in found.items()}
    built = build(kind, items, written, author.name, limits)
    if not built.rows:
        _print_counts(asked, built, found)
        raise HarnessError(
            f"nothing that {author.name} wrote stands; {asked.output} is not written.",
            f"Its answers are in {folder}. A larger model, or another --text, may do.",
        )
    with rows_file(asked.output) as file:
        file.writelines(map(line_of, built.rows))
    _print_counts(asked, built, found)


def _written(answer: Json, prompt: str) -> Written:
    from harness.data.building.written.rows import Written
    from harness.serving.author import is_refused

    cut = answer.get("finish_reason") == "length"
    return Written(None if is_refused(answer) else answer["completion"], prompt, cut)


def _print_plan(asked: Asked, author: Author, prompts: dict[str, str]) -> None:
    """The first prompt, the number of requests, and the most that they can cost: four letters are about a token."""
    read, told = sum(map(len, prompts.values())) // 4, len(prompts) * asked.longest
    plan = {"requests": len(prompts), "prompt_tokens": read, "answer_tokens_at_most": told, **_cost(asked, read, told)}
    if asked.as_json:
        return print_json({"model": author.name, **plan, "first_prompt": next(iter(prompts.values()))})
    print(next(iter(prompts.values())), end="\n\n")
    show([{"what": name.replace("_", " "), "count": value} for name, value in plan.items()], COLUMNS, as_json=False)


def _print_counts(asked: Asked, built: Built, found: Mapping[str, Json]) -> None:
    read, told = (sum(one.get(name, 0) for one in found.values()) for name in ("prompt_tokens", "completion_tokens"))
    cut = sum(one.get("finish_reason") == "length" for one in found.values())
    counts: Json = {
        "requests": len(found), "cut_at_their_length": cut, "found": built.found, "left_out": dict(built.left_out),
        "rows": len(built.rows), "prompt_tokens": read, "answer_tokens": told, **_cost(asked, read, told),
    }  # fmt: skip
    problems = Counter(one["problem"] for one in found.values() if one.get("problem"))
    for problem, count in problems.most_common(1):
        note(f"{sum(problems.values()):,} requests had no answer; {count:,} of them: {problem}")
    if asked.as_json:
        return print_json(counts)
    table: list[Json] = []
    for name, value in counts.items():
        reasons = {f"left out: {reason}": count for reason, count in built.left_out.most_common()}
        lines = reasons if name == "left_out" else {name.replace("_", " "): value}
        table += [{"what": what, "count": count} for what, count in lines.items()]
    show(table, COLUMNS, as_json=False)


def _cost(asked: Asked, read: int, told: int) -> Json:
    into, out = asked.prices
    return {"cost": round((into * read + out * told) / MILLION, 4)} if into or out else {}
