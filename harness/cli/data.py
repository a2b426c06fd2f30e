"""`harness data`: chunks from crawls, mixes, splits and checks of files. Thin; the work is in `harness.data`."""

from __future__ import annotations

import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.shared import AsJson, DataRoot, Scale, print_json, show
from harness.errors import DataError, HarnessError
from harness.files import Json
from harness.project import find_root

if TYPE_CHECKING:
    from harness.data.tools.checking import Findings, Items

data_app = typer.Typer(no_args_is_help=True, help="Files of training rows: built, cut, mixed, split, checked.")

OutputDir = Annotated[Path, typer.Option("--output-dir", help="folder for train.jsonl and eval.jsonl")]
Tokenizer = Annotated[str | None, typer.Option("--tokenizer", help="a folder, or an id on the Hugging Face hub")]


@data_app.command()
def chunks(
    given: Annotated[Path, typer.Argument(metavar="INPUT", help="crawler JSON lines, or a folder of such files")],
    output_dir: OutputDir,
    min_chars: Annotated[int, typer.Option(help="shorter texts are dropped")] = 200,
    max_chars: Annotated[int, typer.Option(help="longer texts are cut")] = 1600,
    max_chunks: Annotated[int, typer.Option(help="at most that many are written")] = 50_000,
    eval_ratio: Annotated[float, typer.Option(help="share of chunks that are held out, about")] = 0.02,
    seed: int = 0,
    as_json: AsJson = False,
) -> None:
    """Cut, deduplicate, shuffle and split crawled pages, in bounded memory."""
    from harness.data.tools.chunks import Settings, make_chunks

    made = make_chunks(given, output_dir, Settings(min_chars, max_chars, max_chunks, eval_ratio, seed))
    if as_json:
        return print_json(made)
    written = {f"written to {name}": side["rows"] for name, side in made["outputs"].items()}
    counts = {name.replace("_", " "): count for name, count in made["counts"].items()}
    _table([{"what": name, "count": count} for name, count in {**counts, **written}.items()])


@data_app.command()
def mix(
    given: Annotated[list[str], typer.Argument(metavar="FILE:SHARE...")],
    output: Annotated[Path, typer.Option("--output", help="the file to write")],
    by: Annotated[str, typer.Option(help="what the shares are of: chars or tokens")] = "chars",
    tokenizer: Tokenizer = None,
    seed: int = 0,
    rows: Annotated[int | None, typer.Option(help="default: as many as the scarcest file allows")] = None,
    as_json: AsJson = False,
) -> None:
    """Mix files by share of characters or tokens: whole rows, interleaved by a seeded hash."""
    from harness.data.tools import mixing
    from harness.data.tools.sizes import characters, tokens

    if by not in ("chars", "tokens"):
        raise DataError(f"--by {by}: shares are of chars or tokens.")
    if (by == "tokens") != (tokenizer is not None):
        raise DataError(f"--by {by} {'needs a' if by == 'tokens' else 'uses no'} --tokenizer.", "Pass both or neither.")
    parts = mixing.parts_of(given)
    with tokens(tokenizer) as counts:
        mixed = mixing.mix(parts, output, counts or characters, seed, rows)
    if as_json:
        return print_json([{**asdict(part), "unit": by} for part in mixed])
    columns = {"rows_of": "of", "size": by}
    _table([{columns.get(name, name): value for name, value in asdict(part).items()} for part in mixed])


@data_app.command()
def split(
    file: Path,
    output_dir: OutputDir,
    eval_ratio: Annotated[float | None, typer.Option(help="share of rows held out, rounded to whole rows")] = None,
    eval_rows: Annotated[int | None, typer.Option(help="rows held out")] = None,
    by: Annotated[str | None, typer.Option(help="field whose rows stay together; default: equal texts")] = None,
    as_json: AsJson = False,
) -> None:
    """Split a file into train.jsonl and eval.jsonl by whole groups, no text on both sides."""
    from harness.data.tools.dividing import divide

    sides = divide(file, output_dir, ratio=eval_ratio, rows=eval_rows, by=by)
    if as_json:
        return print_json(sides)
    _table([{"side": name, **counts} for name, counts in sides.items()])


@data_app.command()
def check(
    file: Path,
    max_length: Annotated[int, typer.Option(help="tokens at which training cuts a row")] = 1024,
    tokenizer: Tokenizer = None,
    prompt: Annotated[
        str | None, typer.Option(help='of rows in a format of their own: "{question}", with --completion')
    ] = None,
    completion: Annotated[str | None, typer.Option(help='such as "{answer}"')] = None,
    suites: Annotated[bool, typer.Option(help="look for the project's evaluation items among the rows")] = True,
    scale: Scale = None,
    data_root: DataRoot = None,
    as_json: AsJson = False,
) -> None:
    """Say what is in a file. Exit status 1 where rows are bad or contain whole evaluation items."""
    from harness.data.sources import Source
    from harness.data.tools.checking import check as checked
    from harness.data.tools.sizes import tokens

    if max_length < 1:
        raise DataError(f"--max-length {max_length}: a row has at least one token.", "Give 1 or more.")
    if (prompt is None) != (completion is None):
        raise DataError(
            "--prompt and --completion belong together.", 'Write --prompt "{question}" --completion "{answer}".'
        )
    items, absent = _items_of_suites(scale, data_root) if suites else ({}, {})
    with tokens(tokenizer) as counts:
        found = checked(file, items, counts, max_length, Source(prompt=prompt, completion=completion))
    if as_json:
        unchecked = [{"suite": name, "not_checked": problem} for name, problem in absent.items()]
        print_json({**asdict(found), "suites": [*(asdict(suite) for suite in found.suites), *unchecked]})
    else:
        _print_findings(found, absent, suites)
    raise typer.Exit(1 if found.bad or any(suite.contained for suite in found.suites) else 0)


@data_app.command()
def stackexchange(
    output: Annotated[Path, typer.Option("--output", help="the file to write")],
    dump: Annotated[
        Path | None,
        typer.Argument(help="Posts.xml of a site's dump, or the .7z with it; without it, the site's API is asked"),
    ] = None,
    site: Annotated[str | None, typer.Option(help="the site's host; default: that by which the .7z is named")] = None,
    tags: Annotated[str, typer.Option(help="questions with any of these, comma between; default: all")] = "",
    min_score: Annotated[int, typer.Option(help="of the question")] = 0,
    min_answer_score: Annotated[int, typer.Option(help="of the answer")] = 0,
    accepted: Annotated[
        bool, typer.Option("--accepted", help="accepted answers alone; default: else the best")
    ] = False,
    rows: Annotated[int | None, typer.Option(help="at most, those of the highest question score")] = None,
    api_url: Annotated[str, typer.Option(help="the API's address and version")] = "https://api.stackexchange.com/2.3",
    as_json: AsJson = False,
) -> None:
    """Questions with their accepted or best answer from Stack Exchange, with address, authors and licence."""
    from harness.data.building.api import Api
    from harness.data.building.dump import Dump
    from harness.data.building.output import check_output
    from harness.data.building.pages import Pages
    from harness.data.building.stackexchange import Wanted, build, site_of

    names = tuple(filter(None, (name.strip().lower() for name in tags.split(","))))
    wanted, site = Wanted(names, min_score, min_answer_score, accepted, rows), site_of(dump, site)
    check_output(output)
    if dump is not None:
        built = build(Dump(dump), output, site, wanted)
    else:
        pages = Pages(output.with_name(f"{output.name}.pages"))
        api = Api(
            site, names, min_score, rows, pages, api_url.rstrip("/"), say=lambda words: print(words, file=sys.stderr)
        )
        built = build(api, output, site, replace(wanted, tags=()))  # the API knows tags by other names too
        pages.forget()
    if as_json:
        return print_json(asdict(built))
    counts = {"posts": built.posts, "questions": built.questions, "wanted by tags and score": built.wanted}
    left_out = {f"left out: {reason}": count for reason, count in built.left_out.items() if count}
    _table([{"what": what, "count": count} for what, count in {**counts, **left_out, "written": built.rows}.items()])


@data_app.command()
def arxiv(
    output: Annotated[Path, typer.Option("--output", help="the file to write")],
    snapshot: Annotated[
        Path | None, typer.Argument(help="the metadata snapshot's JSON file; without it, arXiv's API is asked")
    ] = None,
    categories: Annotated[str, typer.Option(help="papers in any of these, comma between: stat.ME,stat.AP")] = "",
    query: Annotated[str, typer.Option(help="words that are all in title or abstract")] = "",
    rows: Annotated[int | None, typer.Option(help="at most; by the API the earliest submitted")] = None,
    api_url: Annotated[str, typer.Option(help="the API's address")] = "https://export.arxiv.org/api/query",
    as_json: AsJson = False,
) -> None:
    """Papers of arXiv with title, abstract, authors, version, citation and licence, by category and words."""
    from harness.data.building.arxiv import POLITE, Papers, Snapshot, Wanted, words_of, write_papers
    from harness.data.building.output import check_output
    from harness.data.building.pages import Pages

    names = tuple(filter(None, (name.strip() for name in categories.split(","))))
    wanted = Wanted(names, words_of(query), rows)
    check_output(output)
    if snapshot is not None:
        count = write_papers(Snapshot(snapshot, wanted), output)
    else:
        pages = Pages(output.with_name(f"{output.name}.pages"), POLITE)
        count = write_papers(Papers(wanted, pages, api_url, say=lambda words: print(words, file=sys.stderr)), output)
        pages.forget()
    if as_json:
        return print_json({"rows": count})
    print(f"{count:,} papers written to {output}")


# ---- suites -------------------------------------------------------------------------------------------


def _items_of_suites(scale: str | None, data_root: Path | None) -> tuple[dict[str, Items], dict[str, str]]:
    from harness.session.items import items_of_suites
    from harness.session.options import checked_data_root, checked_scale

    scale, data_root = scale and checked_scale(scale), checked_data_root(data_root)
    try:
        root = find_root(Path.cwd())
    except HarnessError as error:
        raise HarnessError(error.problem, "Change into the project's folder, or pass --no-suites.") from None
    return items_of_suites(root, scale, data_root)


# ---- printing -----------------------------------------------------------------------------------------


def _print_findings(found: Findings, absent: dict[str, str], with_suites: bool) -> None:
    print(f"{found.file}: {found.rows:,} rows, {found.bad:,} of them bad")
    for bad in found.bad_rows:
        print(f"  {bad}")
    if found.bad > len(found.bad_rows):
        print(f"  and {found.bad - len(found.bad_rows):,} more")
    print("formats: " + (", ".join(f"{name} {count:,}" for name, count in found.formats.items()) or "none"))
    print(f"duplicates: {found.duplicate_texts:,} texts, {found.duplicate_ids:,} ids")
    if found.control_tokens:
        print(
            f"control tokens: {found.control_tokens:,} rows quote one, such as <|im_end|>; models read it as the token"
        )
    lengths = {"chars": found.chars, "tokens": found.tokens}
    known = [{"length": unit, **asdict(of_unit)} for unit, of_unit in lengths.items() if of_unit]
    if known:
        _table(known)
    if found.truncated is not None:
        print(f"longer than {found.max_length:,} tokens: {found.truncated:.2%} of rows (special tokens apart)")
    if not with_suites:
        return print("suites: not asked for")
    if found.suites:
        _table([{name: value for name, value in asdict(suite).items() if name != "where"} for suite in found.suites])
    for place in [place for suite in found.suites for place in suite.where]:
        print(f"  {place}")
    for name, problem in absent.items():
        print(f"suite {name}: not checked: {problem}")


def _table(rows: list[Json]) -> None:
    show(rows, {name: name for name in rows[0]}, as_json=False)
