"""Rated elsewhere: tasks for Label Studio and Argilla, and the ratings that come back from them.

Label Studio: a list of tasks (https://labelstud.io/guide/task_format), labelled by CONFIG; its JSON export comes back.
Argilla: records as `dataset.records.from_json` reads them and `to_json` writes them (https://docs.argilla.io/latest).
"""

from __future__ import annotations

import json
import random
import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.files import Json
from harness.serving.rating.run import Rateable
from harness.serving.rating.showings import Item
from harness.store import Store
from harness.store.ratings import RaterFile, Rating

FORMS = ("label-studio", "argilla")
VALUE, NOTE = "preferred", "note"  # names of the questions
CONFIG = """<View>
  <Header value="Which answer is better for the person who asked?"/>
  <Text name="prompt" value="$prompt"/>
  <View style="display: grid; grid-template-columns: 1fr 1fr; gap: 1em">
    <Text name="first" value="$first"/>
    <Text name="second" value="$second"/>
  </View>
  <Choices name="preferred" toName="prompt" choice="single" required="true">
    <Choice value="left" alias="left" hotkey="1">The first is better</Choice>
    <Choice value="right" alias="right" hotkey="2">The second is better</Choice>
    <Choice value="same" alias="same" hotkey="3">The same</Choice>
    <Choice value="bad" alias="bad" hotkey="4">Both are bad</Choice>
  </Choices>
  <TextArea name="note" toName="prompt" maxSubmissions="1" required="false"/>
</View>
"""  # of a project of Label Studio
CHOICES = ("left", "right", "same", "bad")


def tasks(rated: Rateable, form: str) -> str:
    """The pairs as JSON, without names, each side drawn once; raters there see all the same sides."""
    if rated.comparison.points is not None:
        raise HarnessError("--tasks writes pairs, and single answers are rated here.", "Name two recipes.")
    made = []
    for item in rated.items:
        first, second = (item.answers[i] for i in _order(rated, item))
        fields = {"prompt": item.prompt, "first": first, "second": second}
        about = {"sample": item.sample_id, "comparison": rated.comparison.key}
        made.append(
            {"data": {**fields, **about}}
            if form == FORMS[0]
            else {"id": item.sample_id, "fields": fields, "metadata": about}
        )
    return json.dumps(made, ensure_ascii=False, indent=1) + "\n"


def take_in(store: Store, rated: Rateable, path: Path) -> tuple[int, int]:
    """Keep the ratings of a file as it came back: (those that are new, all). Raises HarnessError, which says where."""
    try:
        listed: Any = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise HarnessError(f"--ratings {path}: {error.strerror}.") from None
    except (ValueError, RecursionError):
        raise HarnessError(
            f"--ratings {path}: not JSON.", "Export as JSON: Label Studio's own, or records.to_json."
        ) from None
    if not isinstance(listed, list):
        raise HarnessError(f"--ratings {path}: holds no list of tasks or records.", "Export as JSON.")
    found = [one for number, entry in enumerate(listed) for one in _ratings(rated, entry, f"{path.name}[{number}]")]
    if not found:
        raise HarnessError(f"--ratings {path}: nobody has rated any of its {len(listed):,} tasks.")
    new = 0
    with store.lock(f"rate-{rated.comparison.key}", "harness rate"):
        files = {
            name: RaterFile(store, rated.comparison, name, secrets.token_hex()) for name in {one.rater for one in found}
        }
        for one in found:
            new += files[one.rater].add(one)
        for file in files.values():
            file.share()
    return new, len(found)


def _ratings(rated: Rateable, entry: Any, where: str) -> Iterator[Rating]:
    """What was said about one task or record."""
    if not isinstance(entry, dict):
        raise HarnessError(f"{where}: no task and no record.", "Export as JSON, not in another form.")
    about = entry.get("data", entry.get("metadata")) or {}
    if not isinstance(about, dict) or about.get("comparison") != rated.comparison.key:
        raise HarnessError(
            f"{where}: is about other answers than {' and '.join(rated.comparison.subjects)} give now.",
            "Ratings belong to the answers that were shown; write the tasks anew.",
        )
    item = next((one for one in rated.items if one.sample_id == about.get("sample")), None)
    if item is None:
        raise HarnessError(f"{where}: there is no prompt {about.get('sample')!r} among them.", "Give the same --n.")
    order, names = _order(rated, item), rated.comparison.subjects
    try:
        said = list(_of_label_studio(entry) if "data" in entry else _of_argilla(entry))
    except (AttributeError, TypeError, ValueError):
        raise HarnessError(
            f"{where}: not as Label Studio or Argilla write it.", "Export as JSON, and leave it so."
        ) from None
    for rater, value, note, seconds in said:
        if value not in CHOICES:
            raise HarnessError(f"{where}: {value!r} is none of {', '.join(CHOICES)}.")
        kept = ("first", "second")[order[CHOICES.index(value)]] if value in CHOICES[:2] else value
        yield Rating(rater, item.sample_id, 0, kept, names[order[0]], note, seconds)


Said = tuple[str, Any, str, float | None]  # rater, value, note, seconds


def _of_label_studio(task: Json) -> Iterator[Said]:
    for annotation in task.get("annotations") or ():
        if annotation.get("was_cancelled"):
            continue
        by = annotation.get("completed_by")
        rater = str((by.get("email") or by.get("id")) if isinstance(by, dict) else by)
        parts = {part.get("from_name"): part.get("value") or {} for part in annotation.get("result") or ()}
        if VALUE in parts:
            note = " ".join(parts.get(NOTE, {}).get("text") or ())
            yield rater, (parts[VALUE].get("choices") or [None])[0], note, _seconds(annotation.get("lead_time"))


def _seconds(value: Any) -> float | None:
    return None if value is None else float(value)


def _of_argilla(record: Json) -> Iterator[Said]:
    responses = record.get("responses") or {}
    notes = {one.get("user_id"): str(one.get("value") or "") for one in responses.get(NOTE) or ()}
    for one in responses.get(VALUE) or ():
        yield str(one.get("user_id")), one.get("value"), notes.get(one.get("user_id"), ""), None


def _order(rated: Rateable, item: Item) -> Sequence[int]:
    return random.Random(f"{rated.comparison.key} elsewhere {item.sample_id}").sample((0, 1), 2)
