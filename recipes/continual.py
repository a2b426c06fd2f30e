"""One domain after the other: does learning the events undo the defects?

Continual learning (McCloskey and Cohen 1989; Lopez-Paz and Ranzato 2017, arXiv:1706.08840): the weights that know the
defects are taught the events, once by the events alone, once with a tenth of the defects' rows among them. Measured after each by the
questions of both.
"""

from harness import Curriculum
from recipes.events_2025 import EVENTS_2025
from recipes.software_defect import SOFTWARE_DEFECT

SIZES = ["mini", "small", "1.1b"]
PLAIN = Curriculum("continual", [SOFTWARE_DEFECT, EVENTS_2025], variants=SIZES)
REPLAYED = Curriculum("continual_replay", [SOFTWARE_DEFECT, EVENTS_2025], replay=0.1, variants=SIZES)
