"""Suites: what to measure. A suite turns a dataset's rows into samples, asks a model, and scores its outputs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from math import inf
from typing import Any, Literal, get_args

from harness.claims import RATING, Guard
from harness.data.sources import Dataset, Mix, Row, Rows
from harness.errors import SuiteError, check_types
from harness.recipe import Endpoint, Subject

Turn = Mapping[str, str]  # of a conversation: its role, and its content
Asked = str | Sequence[Turn]  # a prompt, which is a user's only turn, or a conversation
ROLES = ("system", "user", "assistant")
Shown = Literal["learnt", "kept", "invented", "stable", "clean"]
SHOWN: tuple[Shown, ...] = get_args(Shown)


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One question to a model: a prompt, or a conversation that ends with the user's turn.

    Samples of one suite have unique ids, equal for every subject.
    """

    id: str
    prompt: str = ""  # of a conversation, its turns written one below the other
    messages: tuple[Turn, ...] = ()  # {"role": "system", "user" or "assistant", "content": ...}
    target: Any = None  # the reference, as the scorer wants it
    choices: tuple[str, ...] = ()  # of a multiple-choice question; target is then the index of the right one
    cluster: str | None = None  # samples that belong together (one passage, one fact)

    def __post_init__(self) -> None:
        for what in ("id", "prompt", "cluster"):
            text = getattr(self, what)
            if not isinstance(text, str) and not (what == "cluster" and text is None):
                kind = type(text).__name__
                remedy = f"Write {what}=str(...)." if isinstance(text, int | float) else "Give a text."
                raise SuiteError(f"sample {self.id!r}: its {what} is the {kind} {text!r:.80}, and not a text.", remedy)
        object.__setattr__(self, "choices", tuple(self.choices))
        object.__setattr__(self, "messages", tuple(self.messages))
        if self.messages:
            self._check_messages()
            written = "\n\n".join(f"{turn['role']}: {turn['content']}" for turn in self.messages)
            if self.prompt not in ("", written):
                raise SuiteError(f"sample {self.id}: it has a prompt and messages.", "Give one: the prompt is a turn.")
            object.__setattr__(self, "prompt", written)
        if self.choices and not (isinstance(self.target, int) and 0 <= self.target < len(self.choices)):
            raise SuiteError(
                f"sample {self.id}: target {self.target!r} is no index of its {len(self.choices)} choices."
            )

    def _check_messages(self) -> None:
        """Turns that a chat template can render, and that an answer can follow."""
        for number, turn in enumerate(self.messages, start=1):
            wrong = not isinstance(turn, Mapping) or not isinstance(turn.get("content"), str)
            if wrong or turn.get("role") not in ROLES:
                raise SuiteError(
                    f"sample {self.id}: turn {number} of its messages is {turn!r:.80}.",
                    f'Write {{"role": ..., "content": "..."}}, with a role of {", ".join(ROLES)}.',
                )
        if self.messages[-1]["role"] != "user":
            raise SuiteError(
                f"sample {self.id}: its messages end with a turn of the {self.messages[-1]['role']}.",
                "The model answers a user's turn; what it should answer is the target.",
            )

    @property
    def answer(self) -> str:
        """The reference answer as text, or ''."""
        if self.choices:
            return self.choices[self.target]
        return self.target if isinstance(self.target, str) else ""

    @property
    def text(self) -> str:
        """What is asked, without the names of roles."""
        return "\n".join(turn["content"] for turn in self.messages) if self.messages else self.prompt

    @property
    def whole(self) -> str:
        """What training rows must not contain: the question with its answer, or the reference alone."""
        return f"{self.text} {self.answer}" if self.choices else self.answer


def drawn_order(names: Sequence[str]) -> list[int]:
    """Positions of the names, sorted by their digest: a draw that is the same on every machine and for every subject."""

    def drawn(i: int) -> tuple[str, int]:
        return hashlib.sha256(names[i].encode("utf-8", "surrogatepass")).hexdigest(), i

    return sorted(range(len(names)), key=drawn)


@dataclass(frozen=True, kw_only=True)
class Generate:
    """Ask for a completion of the prompt, in the checkpoint's chat template; temperature 0 is greedy.

    `max_new_tokens` is enough for a whole answer; `small`, `mini` and `tiny` are how many there are at those scales
    where whole answers take too long (`tiny`: as many as `mini`).
    """

    max_new_tokens: int = 64
    temperature: float = 0.0
    # Not compared, and so no part of keys: those hold what is asked at their scale.
    small: int | None = field(default=None, compare=False)
    mini: int | None = field(default=None, compare=False)
    tiny: int | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        check_types(self, SuiteError)
        for name in ("max_new_tokens", "small", "mini", "tiny"):
            tokens = getattr(self, name)
            if tokens is not None and tokens < 1:
                raise SuiteError(f"Generate: {name} is {tokens}; ask for at least one token.")
        if not 0 <= self.temperature < inf:
            raise SuiteError(f"Generate: temperature is {self.temperature}, and has to be a number from 0 on.")

    def at(self, scale: str) -> Generate:
        """The same with the tokens of that scale."""
        tokens = {"small": self.small, "mini": self.mini, "tiny": self.mini if self.tiny is None else self.tiny}
        return Generate(max_new_tokens=tokens.get(scale) or self.max_new_tokens, temperature=self.temperature)


@dataclass(frozen=True, kw_only=True)
class Perplexity:
    """Ask for the log-likelihood of the sample's target, in nats, and its tokens, words and bytes.

    With `chat` the target is the assistant's answer to the prompt; else it is a document on its own.
    """

    chat: bool = False


@dataclass(frozen=True, kw_only=True)
class Choices:
    """Ask for the log-likelihood of each of the sample's choices, in nats, as the assistant's answer to the prompt."""


@dataclass(frozen=True)
class LmEval:
    """Ask through a task of lm-evaluation-harness, on the suite's own rows."""

    task: str
    metrics: tuple[str, ...] = ("acc", "acc_norm")


@dataclass(frozen=True)
class LmEvalTask:
    """Ask through a task of lm-evaluation-harness on that task's own data, from the hub or its local files.

    `task` is a name, or the path of a task file (.yaml), in which data files are relative to the file.
    """

    task: str
    num_fewshot: int | None = None  # examples before each question; None: as many as the task says
    apply_chat_template: bool = False  # each question as a user's turn, examples as turns before it
    gen_kwargs: Mapping[str, Any] = field(default_factory=dict)  # over the task's own, such as max_gen_toks


@dataclass(frozen=True, kw_only=True)
class Probe:
    """Ask whether weights and logits are finite and sampling works, in each dtype the model is served in."""

    dtypes: tuple[Literal["float32", "bfloat16", "float16"], ...] = ("float32", "bfloat16", "float16")
    max_new_tokens: int = 48


@dataclass(frozen=True, kw_only=True)
class TrainingRecord:
    """Ask the checkpoint's own record: the loss on each held-out row before and after its last stage."""


@dataclass(frozen=True, kw_only=True)
class Parity:
    """Ask whether copies of the checkpoint answer as it does: adapters merged into the base, in each of `forms`.

    At each token of the checkpoint's own greedy completion, the copy's most likely token is compared.
    """

    # int8: LLM.int8 (arXiv:2208.07339); nf4: arXiv:2305.14314
    forms: tuple[Literal["bfloat16", "int8", "nf4"], ...] = ("bfloat16", "int8", "nf4")
    max_new_tokens: int = 24


@dataclass(frozen=True, kw_only=True)
class Overlap:
    """Ask which n-grams the training rows of all the checkpoint's stages share with the items of all suites."""

    n: int = 8  # words


Ask = Generate | Perplexity | Choices | LmEval | LmEvalTask | Probe | Parity | TrainingRecord | Overlap
ASKS: tuple[type, ...] = get_args(Ask)
MODEL_FREE = (TrainingRecord, Overlap)  # asks that need no model
OWN_ITEMS = (TrainingRecord, Overlap, LmEvalTask)  # asks that bring their own samples
Answer = dict[str, Any]  # the answer to one sample: name -> value; each ask has its own names
Output = Mapping[str, Any]  # the same, as a scorer reads it
Scores = dict[str, Any]  # metric -> score of one sample; lists hold counts that a corpus metric sums
Scorer = Callable[[Sample, Output], Scores]


def _check_ask(ask: Ask) -> None:
    """SuiteError for a field of another type, a count too small, or a list that must not be empty."""
    check_types(ask, SuiteError)
    kind = type(ask).__name__
    for name, least in (("max_new_tokens", 1), ("n", 1), ("num_fewshot", 0)):
        count = getattr(ask, name, None)
        if count is not None and count < least:
            raise SuiteError(f"{kind}: {name} is {count}, and has to be at least {least}.")
    empty = next((name for name in ("dtypes", "forms", "metrics") if len(getattr(ask, name, "some")) == 0), None)
    if empty:
        raise SuiteError(f"{kind}: {empty} is empty, so that nothing would be asked.")
    for name in ("dtypes", "forms"):
        copies = list(getattr(ask, name, ()))
        twice = next((copy for copy in copies if copies.count(copy) > 1), None)
        if twice:
            raise SuiteError(f"{kind}: {name} holds {twice} twice.")


@dataclass(frozen=True, kw_only=True)
class Suite:
    """A dataset, how a row becomes a sample, what is asked, how an output is scored."""

    name: str
    dataset: Dataset | Rows | Mix | None = None  # None only where what is asked brings its own samples
    to_sample: Callable[[Row], Sample] | None = None
    scorer: Scorer
    asks: tuple[Ask, ...] = (Generate(),)
    system_prompt: str | None = None
    metrics: Sequence[Any] = ()  # corpus metrics beside the means: see harness.scoring.metrics
    floors: Callable[[Sequence[Sample]], dict[str, dict[str, float]]] | None = None  # metric -> floor -> value
    guards: Sequence[Guard] = ()  # what must not get worse than in a baseline
    about: str = field(default="", compare=False)  # one plain sentence for the report
    # What its scores show of a fine-tune, for `harness ship`; by metric where they show several things.
    shows: Shown | Mapping[str, Shown] = field(default="learnt", compare=False)

    # Whether it measures those recipes alone that claim something of it, or name it in their `suites`.
    only_if_claimed: bool = field(default=False, compare=False)

    def __post_init__(self) -> None:
        check_types(self, SuiteError)
        if self.name == RATING:
            raise SuiteError(
                f"a suite is called {RATING!r}: claims mean by that what people say.", "Give it another name."
            )
        for ask in self.asks:
            _check_ask(ask)
        object.__setattr__(self, "asks", tuple(self.asks))
        object.__setattr__(self, "metrics", tuple(self.metrics))
        object.__setattr__(self, "guards", tuple(self.guards))
        guarded = [guard.metric for guard in self.guards]
        twice = next((metric for metric in guarded if guarded.count(metric) > 1), None)
        if twice:
            raise SuiteError(f"suite {self.name}: {twice!r} is guarded twice.", "Keep one margin.")
        declared = [metric.name for metric in self.metrics]
        unknown = next((metric for metric in guarded if declared and metric not in declared), None)
        if unknown:
            raise SuiteError(f"suite {self.name}: it guards {unknown!r}, and its metrics are {', '.join(declared)}.")
        if not self.name.isidentifier():
            raise SuiteError(f"suite {self.name!r}: a suite's name stands in test ids; use letters, digits and _.")
        for what in ("scorer", "to_sample", "floors"):
            self._check_function(what)
        if isinstance(self.shows, Mapping):
            unknown = next((metric for metric in self.shows if declared and metric not in declared), None)
            if unknown is not None or not self.shows:
                raise SuiteError(
                    f"suite {self.name}: it says what {unknown!r} shows, and its metrics are {', '.join(declared)}."
                )
        odd = next((shown for shown in sorted(self.shown, key=str) if shown not in SHOWN), None)
        if odd is not None:
            raise SuiteError(f"suite {self.name}: it shows {odd!r}, which is none of {', '.join(SHOWN)}.")
        if not self.asks:
            raise SuiteError(f"suite {self.name}: nothing is asked; give asks=(Generate(),).")
        if any(isinstance(ask, OWN_ITEMS) for ask in self.asks):
            if len(self.asks) > 1:
                raise SuiteError(f"suite {self.name}: {self.asks[0]} brings its own samples and stands alone.")
        elif self.dataset is None or self.to_sample is None:
            raise SuiteError(f"suite {self.name}: dataset and to_sample say what is asked, and one is missing.")

    @property
    def shown(self) -> set[str]:
        """All that its scores show."""
        return {self.shows} if isinstance(self.shows, str) else set(self.shows.values())

    def shown_by(self, metric: str) -> Shown:
        """What a metric shows; what was learnt, unless the suite says otherwise."""
        return self.shows if isinstance(self.shows, str) else self.shows.get(metric, "learnt")

    def _check_function(self, what: str) -> None:
        """Its code is hashed, so it must be a function (or functools.partial of one)."""
        function = getattr(self, what)
        while isinstance(function, partial):
            function = function.func
        if function is not None and not (callable(function) and hasattr(function, "__qualname__")):
            raise SuiteError(f"suite {self.name}: {what} is {function!r}, not a function.", "Write it with def.")

    def at(self, scale: str) -> Suite:
        """The suite as it asks at that scale; itself where it asks the same at every scale."""
        asks = tuple(ask.at(scale) if isinstance(ask, Generate) else ask for ask in self.asks)
        return self if asks == self.asks else replace(self, asks=asks)

    @property
    def needs_model(self) -> bool:
        """Whether a model must be asked; the record of its training is not enough."""
        return not all(isinstance(ask, MODEL_FREE) for ask in self.asks)

    @property
    def copies(self) -> tuple[str, ...]:
        """The dtypes or forms in which every sample is asked; empty where it is asked once."""
        for ask in self.asks:
            if isinstance(ask, Probe):
                return ask.dtypes
            if isinstance(ask, Parity):
                return ask.forms
        return ()

    def concerns(self, subject: Subject) -> bool:
        """Whether it measures the subject: its recipe names no other suites, claims something of it where only those are
        measured that do, and has what is asked for.

        That is weights, a training record, training rows of its own; or only questions, which a server's model can be
        asked too, and a subject that looks things up.
        """
        if subject.recipe.suites and self.name not in subject.recipe.suites:
            return False
        if self.only_if_claimed and self.name not in subject.recipe.named_suites:
            return False
        for ask in self.asks:
            is_question = isinstance(ask, Generate | Choices) or ask == Perplexity(chat=True)
            if not is_question and (subject.lookup is not None or isinstance(subject.variant.base, Endpoint)):
                return False
            if isinstance(ask, TrainingRecord) and (not subject.stages or subject.stages[-1].held_out is None):
                return False
            if isinstance(ask, Overlap) and not subject.stages:
                return False
        return True
