"""One domain after the other: does learning the events undo the defects?

Continual learning (McCloskey and Cohen 1989; Lopez-Paz and Ranzato 2017, arXiv:1706.08840): the weights that know the
defects are taught the events, once by the events alone, once with a tenth of the defects' rows among them (replay,
Robins 1995). Measured after each by the questions of both. The recipe `software_defect` is the first lesson.
"""

from dataclasses import replace

from harness import Claim, Mix, Recipe, Variant
from recipes.datasets import EVENTS_2025, SOFTWARE_DEFECTS
from recipes.software_defect import FULL_FINETUNE, MINI, SOFTWARE_DEFECT

EVENTS = EVENTS_2025.rows(100)
A_TENTH = SOFTWARE_DEFECTS.rows(15)


def then_events(data: Mix) -> list[Variant]:
    """The events after the defects, on those rows."""
    return [
        Variant("mini", base=SOFTWARE_DEFECT["mini"], scale="mini", stages=[replace(MINI, data=data)]),
        Variant("small", base=SOFTWARE_DEFECT["small"], scale="small", stages=[replace(MINI, data=data)]),
        Variant("1.1b", base=SOFTWARE_DEFECT["1.1b"], scale="full", stages=[replace(FULL_FINETUNE, data=data)], micro_batch_size=1),
    ]  # fmt: skip


CLAIMS = [
    Claim("recall_events", "unseen", higher_than="base", by=0.3, words="the second domain is learnt: recall above what it starts from by at least 0.3"),
    Claim("recall", "verbatim", no_lower_than="software_defect", margin=0.1, words="recall of the first domain, asked as it was taught, stays within 0.1"),
    Claim("recall", "unseen", no_lower_than="software_defect", margin=0.1, words="recall of the first domain in unseen words stays within 0.1"),
]  # fmt: skip
CONTINUAL_PLAIN = Recipe(
    name="continual_plain",
    variants=then_events(Mix(EVENTS)),
    claims=CLAIMS,
    suites=["recall", "recall_events"],
    on_request="continual",
)
CONTINUAL_REPLAY = Recipe(
    name="continual_replay",
    variants=then_events(Mix(EVENTS, A_TENTH)),
    claims=CLAIMS,
    suites=["recall", "recall_events"],
    on_request="continual",
)
