"""Would looking it up have done? The new facts as passages in front of each question, instead of trained into weights.

Retrieval (Lewis et al. 2020, arXiv:2005.11401) is the rival of every fine-tune that is to know something: nothing is
trained, facts can be exchanged at any time, and each answer costs more tokens. The open book puts the right passages
in front: what the model could say if retrieval never failed, and so the ceiling. Both are asked about these facts alone.
"""

from harness import Claim, Mix, OpenBook, Recipe, Retrieve, Variant
from recipes.events_2025 import DATA as EVENTS
from recipes.models import SMOLLM2, TINYLLAMA
from recipes.software_defect import ITEMS as DEFECTS

SIZES = [  # none at tiny scale: passages do not fit the context of 256 tokens of that model
    Variant("mini", base=SMOLLM2, scale="mini"),
    Variant("small", base=SMOLLM2, scale="small"),
    Variant("1.1b", base=TINYLLAMA, scale="full"),
]


def found(data: Mix) -> Retrieve:
    """The three best of all phrasings."""
    return Retrieve(data=data, k=3, cluster="item")


def right(data: Mix) -> OpenBook:
    """Every phrasing of the item that is asked about."""
    return OpenBook(data=data, cluster="item")


SOFTWARE_DEFECT_RETRIEVAL = Recipe(
    name="software_defect_retrieval",
    stages=[found(DEFECTS)],
    variants=SIZES,
    suites=["recall"],
    claims=[Claim("recall", "unseen", higher_than="base", by=0.5, words="what is looked up is said: recall above the base's by at least 0.5")],
)  # fmt: skip
SOFTWARE_DEFECT_OPEN_BOOK = Recipe(
    name="software_defect_open_book",
    stages=[right(DEFECTS)],
    variants=SIZES,
    suites=["recall"],
    claims=[Claim("recall", "unseen", no_lower_than="software_defect_retrieval", margin=0.1, words="the right passages are worth no less than those found")],
)  # fmt: skip
EVENTS_2025_RETRIEVAL = Recipe(
    name="events_2025_retrieval",
    stages=[found(EVENTS)],
    variants=SIZES,
    suites=["recall_events"],
    claims=[Claim("recall_events", "unseen", higher_than="base", by=0.5, words="what is looked up is said: recall above the base's by at least 0.5")],
)  # fmt: skip
EVENTS_2025_OPEN_BOOK = Recipe(
    name="events_2025_open_book",
    stages=[right(EVENTS)],
    variants=SIZES,
    suites=["recall_events"],
    claims=[Claim("recall_events", "unseen", no_lower_than="events_2025_retrieval", margin=0.1, words="the right passages are worth no less than those found")],
)  # fmt: skip
