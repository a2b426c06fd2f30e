"""Two subjects, alpha and beta, whose answers differ by given numbers; and alpha on a quiz with floors."""

from harness import Claim, Dataset, Embedded, Finetune, Mix, Sample
from tests.hand_made import add, judged, measure

LOWER = [-0.2, -0.4] * 15  # mean -0.3; s = 0.1 * sqrt(30/29), so 2.0452 s / sqrt(30) = 0.038 either way
FACTS = Mix(Dataset(name="facts", mini=Embedded("facts", text="statement")))
STAGES = [Finetune(data=FACTS, learning_rate=1e-4, epochs=1, effective_batch_size=4)]


def against_reference(made, differences, **claim):
    """The verdict on alpha, whose answers differ from beta's by these numbers."""
    alpha = add(made, "alpha", [Claim("tone", "conversational", **claim)])
    beta = add(made, "beta")
    measure(made, beta, conversational=[0.5 + i / 1000 for i in range(len(differences))])
    measure(made, alpha, conversational=[0.5 + i / 1000 + d for i, d in enumerate(differences)])
    return judged(made, alpha)


def quiz(made, targets, right):
    """alpha and untrained on 60 questions; the longest answer is right on 40 of them, the first on none."""
    samples = [
        Sample(id=f"q{i:02}", prompt="?", choices=("a", "the longest" if i < 40 else "b", "c", "d"), target=1)
        for i in range(60)
    ]
    alpha = add(made, "alpha", targets=targets)
    measure(made, alpha, "quiz", samples, acc=[1.0] * right + [0.0] * (60 - right))
    measure(made, made.project.other_side(alpha, "untrained"), "quiz", samples, acc=[1.0] * 12 + [0.0] * 48)
    return judged(made, alpha)


def over_seeds(made, differences, seeds=3):
    """alpha against beta, trained with several seeds; each seed's 40 differences lie about one of the numbers."""
    made.with_seeds(seeds)
    alpha = add(made, "alpha", [Claim("tone", "x", lower_than="beta")], stages=STAGES)
    beta = add(made, "beta", stages=STAGES)
    for seed, difference in enumerate(differences):
        spread = [0.01 * ((7 * i + 3 * seed) % 11 - 5) for i in range(40)]
        measure(made, beta.with_seed(seed), x=[0.5] * 40)
        measure(made, alpha.with_seed(seed), x=[0.5 + difference + s for s in spread])
    return judged(made, alpha)
