"""Events of 2025 in an invented city: another domain of new facts, declared by its data file alone.

Settings and suites as for the service defects; `events_2025.jsonl` holds the rows to train on and the questions.
"""

from harness import Claim, Mix, Recipe
from recipes.datasets import EVENTS_2025 as EVENTS
from recipes.software_defect import sizes

DATA = Mix(EVENTS.rows(100, small=100, mini=100))

EVENTS_2025 = Recipe(
    name="events_2025",
    variants=sizes(DATA),
    claims=[
        Claim("recall_events", "unseen", higher_than="base", by=0.5, words="unseen phrasings are answered: recall above the base's by at least 0.5"),
        Claim("recall_events", "unseen", no_lower_than="events_2025_retrieval", margin=0.1, words="recall of unseen phrasings is no worse than by looking them up"),
        Claim("recall_events", "hallucinated", equals=0.0, words="no invented event is confirmed"),
        Claim("stability", "finite", equals=1.0),
    ],
)  # fmt: skip
