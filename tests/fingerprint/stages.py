"""Two stages on small data, and the keys of what they lead to."""

from pathlib import Path

from harness import Architecture, Dataset, Embedded, Finetune, Lora, Mix, Pretrain, Quantization, Recipe, Variant
from harness.data.reading.rows import Access
from harness.files import FileDigests
from harness.fingerprint.keys import Keys

SHAPE = Architecture(
    hidden_size=64, layers=2, heads=2, key_value_heads=2, intermediate_size=128, vocabulary_size=512, context_length=64
)
FACTS = Dataset(name="facts", mini=Embedded("facts", text="statement"))
PRETRAIN = Pretrain(data=Mix(FACTS.rows(mini=50)), learning_rate=6e-4, epochs=1, effective_batch_size=8)
FINETUNE = Finetune(
    data=Mix(FACTS.rows(mini=20)), learning_rate=2e-4, epochs=3, effective_batch_size=16,
    adapter=Lora(rank=16), quantization=Quantization(),
)  # fmt: skip


def keys_of(root=Path(), data_root=None, **more):
    """The keys of a project without a store."""
    return Keys(root, Access("mini", data_root), FileDigests(None), **more)


def subject(stages=(), name="alpha", **variant):
    """A recipe's one subject, `mini`."""
    variants = [Variant("mini", **{"base": SHAPE, "scale": "mini"} | variant)]
    return Recipe(name=name, stages=stages, variants=variants)["mini"]


def chain(stages, keys=None, **variant):
    """The keys of a recipe's stages."""
    return [planned.key for planned in (keys or keys_of()).chain(subject(stages, **variant))]
