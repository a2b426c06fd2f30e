"""`harness chat`, `export` and `serve`: a checkpoint put to use."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from harness.cli.shared import DataRoot, Made, Scale, StoreDir, note, opened
from harness.errors import HarnessError
from harness.serving.trained import Trained, one_device
from harness.session.findings import found_of

Name = Annotated[str, typer.Argument(metavar="RECIPE", help="a recipe, or one of its variants: wiki_only-mini")]
Gpu = Annotated[str | None, typer.Option("--gpu", help="a CUDA device; default: the CPU")]
DTYPES = ("bfloat16", "float32", "float16")


def chat(
    recipe: Name,
    prompt: Annotated[str | None, typer.Option(help="print its answer and end; without: a conversation")] = None,
    system: Annotated[str | None, typer.Option(help="a system prompt")] = None,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="the most tokens of one answer")] = 256,
    temperature: Annotated[float, typer.Option(min=0.0, help="0: always the likeliest token")] = 0.0,
    scale: Scale = None,
    data_root: DataRoot = None,
    store: StoreDir = None,
    gpu: Gpu = None,
) -> None:
    """Ask a checkpoint, once or in a conversation."""
    from harness.serving import chat as chatting

    device = one_device(gpu)
    model = named(recipe, scale, data_root, store)
    chatting.chat(model, device, chatting.Question(prompt, system, max_new_tokens, temperature))


def export(
    recipe: Name,
    out: Annotated[Path, typer.Option(metavar="DIR", help="a new folder")],
    merge: Annotated[bool, typer.Option("--merge", help="an adapter into its base: standalone weights")] = False,
    quantize: Annotated[str | None, typer.Option(metavar="4bit|8bit", help="NF4, or LLM.int8")] = None,
    dtype: Annotated[str | None, typer.Option(help="bfloat16 (default), float32 or float16")] = None,
    with_findings: Annotated[
        bool, typer.Option("--card", help="its scores (as a model-index) and verdicts into the model card")
    ] = False,
    scale: Scale = None,
    data_root: DataRoot = None,
    store: StoreDir = None,
    gpu: Gpu = None,
) -> None:
    """Write a checkpoint as a folder that plain transformers loads."""
    from harness.serving import export as exporting

    form = exporting.Form(merge, one_of("--quantize", quantize, "4bit", "8bit"), one_of("--dtype", dtype, *DTYPES))
    device = one_device(gpu)
    model = named(recipe, scale, data_root, store)
    findings = (
        found_of(opened(scale, data_root, store, Made(gpu)), model.checkpoint.subject, note) if with_findings else None
    )
    print(exporting.exported(model, form, exporting.export(model, form, out, device, findings)))


def serve(
    recipe: Name,
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8000,
    host: Annotated[str, typer.Option(help="0.0.0.0: reachable from other machines")] = "127.0.0.1",
    scale: Scale = None,
    data_root: DataRoot = None,
    store: StoreDir = None,
    gpu: Gpu = None,
) -> None:
    """Serve a checkpoint to clients of the OpenAI API, through `transformers serve`."""
    from harness.serving import serve as serving

    device = one_device(gpu)
    serving.serve(named(recipe, scale, data_root, store), host, port, device)


def named(recipe: str, scale: str | None, data_root: Path | None, store: str | None) -> Trained:
    """The checkpoint of the one subject that a recipe's or variant's name means."""
    setup = opened(scale, data_root, store)
    found = setup.project.only(recipe)
    checkpoint = setup.results.checkpoint(found)
    if checkpoint.planned.is_served:
        raise HarnessError(f"{found.id} is a server's model.", "Ask that server; there are no weights here.")
    if checkpoint.planned.lookup is not None:
        base = setup.project.other_side(found, "base")
        raise HarnessError(
            f"{found.id} looks things up while it is measured; it has no weights of its own.",
            f"Name what it asks: {base.id}." if base is not None and base.recipe.name in setup.project.recipes else "",
        )
    return Trained(checkpoint, setup.results)


def one_of(option: str, given: str | None, *known: str) -> Any:
    """The option's value, or None where it was not given; HarnessError for one that is not known."""
    if given is not None and given not in known:
        raise HarnessError(f"{option} {given}: there is no such form.", f"Choose {' or '.join(known)}.")
    return given
