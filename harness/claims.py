"""All that can be claimed of a subject: against another subject, a number, a floor, or what was measured before.

Plain frozen values. A recipe declares claims and targets, a suite guards metrics; `harness.gates` judges them.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from harness.errors import RecipeError, SuiteError, check_types

QUESTIONS = {  # that a team asks of a fine-tune before it is shipped, each answered by claims: name -> in words
    "learnt": "learnt what it was taught",
    "better": "better than its floors and rivals",
    "kept": "forgot no more than allowed",
    "invented": "invents nothing",
    "stable": "stable, and the same when merged and quantized",
    "clean": "not trained on what it is measured by",
}
WORST_FIRST = ("fail", "inconclusive", "skipped", "pass")  # verdicts
COMPARISONS = ("lower_than", "higher_than", "no_lower_than", "no_higher_than", "equals", "below", "above")


RATING = "rating"  # in place of a suite: what people say (`harness rate`)
RATED = ("preferred", "score")  # its metrics: of pairs, of single answers on a scale


def outlook(verdicts: Collection[str]) -> str:
    """What the verdicts on all claims of a subject come to: ship, do not ship, or undecided."""
    return "do not ship" if "fail" in verdicts else "ship" if set(verdicts) == {"pass"} else "undecided"


def worst(verdicts: Collection[str]) -> str:
    """The worst of verdicts; "unclaimed" where there are none."""
    return next((verdict for verdict in WORST_FIRST if verdict in verdicts), "unclaimed")


def _in_one_line(words: str | None) -> str | None:
    return words and " ".join(words.split())


@dataclass(frozen=True)
class Claim:
    """What a recipe says of itself against another subject, or against a number.

    `lower_than` and `higher_than` name a recipe, whose variant of the same name is the reference, or `base` or
    `untrained`: the model that training starts from, and its architecture with fresh weights, of the same scale;
    samples answered by both are compared in pairs. `no_lower_than` and `no_higher_than` claim
    non-inferiority: worse by less than `margin`.
    """

    suite: str
    metric: str
    lower_than: str | None = field(default=None, kw_only=True)
    higher_than: str | None = field(default=None, kw_only=True)
    by: float = field(default=0.0, kw_only=True)  # the least difference claimed, in the metric's unit
    no_lower_than: str | None = field(default=None, kw_only=True)
    no_higher_than: str | None = field(default=None, kw_only=True)
    margin: float = field(default=0.0, kw_only=True)  # how much worse still counts as no worse
    equals: float | None = field(default=None, kw_only=True)
    below: float | None = field(default=None, kw_only=True)
    above: float | None = field(default=None, kw_only=True)
    words: str | None = field(default=None, kw_only=True)  # the claim as the report says it

    def __post_init__(self) -> None:
        check_types(self, RecipeError)
        object.__setattr__(self, "words", _in_one_line(self.words))
        who = f"Claim({self.suite!r}, {self.metric!r})"
        given = [word for word in COMPARISONS if getattr(self, word) is not None]
        if len(given) != 1:
            raise RecipeError(
                f"{who}: {len(given)} comparisons ({', '.join(given) or 'none'}).",
                f"Give one of {', '.join(COMPARISONS)}.",
            )
        if self.by < 0 or (self.by and not (self.lower_than or self.higher_than)):
            raise RecipeError(f"{who}: by={self.by} needs lower_than or higher_than, and is positive.")
        if (self.no_lower_than or self.no_higher_than) and not self.margin > 0:
            raise RecipeError(
                f"{who}: {given[0]} needs a positive margin, and margin is {self.margin:g}.",
                "No sample can show that two scores do not differ at all.",
            )
        if self.margin and not (self.no_lower_than or self.no_higher_than):
            raise RecipeError(f"{who}: margin={self.margin:g} needs no_lower_than or no_higher_than.")

        if self.suite == RATING:
            self._check_rating(who)

    def _check_rating(self, who: str) -> None:
        """Raise RecipeError for what people are not asked."""
        if self.metric not in RATED:
            raise RecipeError(f"{who}: people are not asked that.", f"The metric is {' or '.join(RATED)}.")
        if (self.metric == "preferred") != (self.reference is not None) or self.equals is not None:
            raise RecipeError(
                f"{who}: preferred is of two recipes, score of one and a number.",
                'Write Claim("rating", "preferred", higher_than="NAME"), or Claim("rating", "score", above=3.5).',
            )

    @property
    def kind(self) -> str:
        """Which comparison is made: one of COMPARISONS."""
        return next(word for word in COMPARISONS if getattr(self, word) is not None)

    @property
    def reference(self) -> str | None:
        """Name of the recipe on the other side, or None."""
        return self.lower_than or self.higher_than or self.no_lower_than or self.no_higher_than

    @property
    def sentence(self) -> str:
        """The claim in words, without its subject."""
        if self.words:
            return self.words
        if self.equals is not None:
            return f"{self.suite} {self.metric} is {self.equals:g} on every sample"
        if self.below is not None:
            return f"{self.suite} {self.metric} is below {self.below:g}"
        if self.above is not None:
            return f"{self.suite} {self.metric} is above {self.above:g}"
        beyond = f" by at least {self.by:g}" if self.by else f" by {self.margin:g} or more" if self.margin else ""
        return f"{self.suite} {self.metric} is {self.kind.replace('_', ' ')} {self.reference}'s{beyond}"


@dataclass(frozen=True)
class Target:
    """A score to reach: a number, or the highest of the floors named in `above`.

    Floors are the suite's own ('chance', 'longest_answer', 'first_answer') and subjects that need no
    training ('untrained', 'base'). `together_with` names suites whose samples are judged with these as one.
    """

    suite: str
    metric: str
    at_least: float | None = field(default=None, kw_only=True)
    above: tuple[str, ...] = field(default=(), kw_only=True)
    together_with: tuple[str, ...] = field(default=(), kw_only=True)
    words: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        check_types(self, RecipeError)
        object.__setattr__(self, "words", _in_one_line(self.words))
        object.__setattr__(self, "above", tuple(self.above))
        object.__setattr__(self, "together_with", tuple(self.together_with))
        if (self.at_least is None) == (not self.above):
            raise RecipeError(f"Target({self.suite!r}, {self.metric!r}): give either at_least or above.")
        if self.together_with and self.above:
            raise RecipeError(f"Target({self.suite!r}, {self.metric!r}): together_with needs at_least; floors differ.")

    @property
    def sentence(self) -> str:
        """The target in words, without its subject."""
        if self.words:
            return self.words
        if self.above:
            return f"{self.suite} {self.metric} is above the highest of {', '.join(self.above)}"
        return f"{' and '.join([self.suite, *self.together_with])} {self.metric} is at least {self.at_least:g}"


@dataclass(frozen=True)
class Guard:
    """How much worse a metric may be than in a baseline (`--baseline NAME`) and still count as no worse.

    `may_fall` for a metric of which more is better, `may_rise` for one of which less is; in the metric's unit.
    """

    metric: str
    may_fall: float | None = field(default=None, kw_only=True)
    may_rise: float | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        check_types(self, SuiteError)
        if (self.may_fall is None) == (self.may_rise is None):
            raise SuiteError(f"Guard({self.metric!r}): give either may_fall or may_rise.")
        if not self.margin > 0:
            raise SuiteError(
                f"Guard({self.metric!r}): the margin is {self.margin:g}; it must be a positive number.",
                "No sample can show that two scores do not differ at all.",
            )

    @property
    def margin(self) -> float:
        """The least change for the worse that counts as a regression, in the metric's unit."""
        return float(self.may_fall if self.may_fall is not None else self.may_rise or 0.0)


@dataclass(frozen=True)
class Regression:
    """What `--baseline NAME` claims of a guarded metric: that it is not worse than the baseline by the margin or more."""

    suite: str
    metric: str
    margin: float  # in the metric's unit
    rises: bool  # whether higher is worse
    baseline: str  # its name

    @property
    def sentence(self) -> str:
        """The claim in words, without its subject."""
        word = "risen" if self.rises else "fallen"
        return f"{self.suite} {self.metric} has not {word} by {self.margin:g} or more since baseline {self.baseline}"
