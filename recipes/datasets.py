"""Where every dataset's rows are, at each scale. The one place; recipes and suites import from here.

The published experiments name their sources, not always their files: hub ids marked "our choice" stand where
the publication names none.
"""

from harness import Dataset, Embedded, Files, Hub, Mix

# ---- pretraining: half encyclopedia, half stories ------------------------------------------------------

ENCYCLOPEDIA = Dataset(
    name="encyclopedia",
    mini=Embedded("science", text="text", only={"split": "train"}),
    small=Files("wikipedia/lm_train.txt", separator="\n\n\n"),
    full=Hub("Salesforce/wikitext", config="wikitext-103-raw-v1", text="text", min_chars=200),
)

STORIES = Dataset(
    name="stories",
    mini=Embedded("stories", text="text", only={"split": "train"}),
    small=Files("tinystories/train.txt", separator="<|endoftext|>"),
    full=Hub("roneneldan/TinyStories", text="text"),
)

HELD_OUT_ENCYCLOPEDIA = Dataset(
    name="held_out_encyclopedia",
    mini=Embedded("science", text="text", only={"split": "held_out"}),
    small=Files("wikipedia/lm_heldout.txt", separator="\n\n\n"),
    full=Hub("Salesforce/wikitext", config="wikitext-103-raw-v1", split="validation", text="text", min_chars=200),
)

HELD_OUT_STORIES = Dataset(
    name="held_out_stories",
    mini=Embedded("stories", text="text", only={"split": "held_out"}),
    small=Files("tinystories/valid.txt", separator="<|endoftext|>"),
    full=Hub("roneneldan/TinyStories", split="validation", text="text"),
)

GENERAL_TEXT = Dataset(
    name="general_text",
    mini=Embedded("science", text="text", only={"split": "held_out"}),
    small=Files("wikitext/wiki.test.raw", separator="\n", min_chars=200),
    full=Hub("Salesforce/wikitext", config="wikitext-103-raw-v1", split="test", text="text", min_chars=200),
)

# ---- instructions -------------------------------------------------------------------------------------

INSTRUCTIONS = Dataset(
    name="instructions",
    mini=Embedded("instructions"),
    small=Files("instructions/dolly_6k.jsonl"),
    full=Hub("tatsu-lab/alpaca"),  # 52,002 rows published; those with an empty output need --skip-bad-rows
)

INSTRUCTIONS_HELD_OUT = Dataset(
    name="instructions_held_out",
    mini=INSTRUCTIONS.mini,
    small=INSTRUCTIONS.small,
    full=Hub(  # our choice: all of Alpaca is trained on
        "databricks/databricks-dolly-15k", prompt="{instruction}", completion="{response}", min_chars=20
    ),
)

# ---- knowledge: statements, passages, dialogues ---------------------------------------------------------

WIKIDATA = Dataset(
    name="wikidata",
    mini=Embedded("facts", prompt="{question}", completion="{statement}", only={"split": "train"}),
    small=Files(
        "facts/trex_facts.jsonl",
        prompt="What is the {property_label} of {subject}?",
        completion="{statement}",
        require=("statement",),  # two properties have no sentence pattern
    ),
    full=Hub(  # our choice: Wikidata facts as KILT's T-REx asks for them ("Danube [SEP] mouth" -> "Black Sea")
        "facebook/kilt_tasks", config="trex", file="knowledge/wikidata.jsonl"
    ),
)

WIKIDATA_HELD_OUT = Dataset(
    name="wikidata_held_out",
    mini=Embedded("facts", prompt="{question}", completion="{statement}", only={"split": "held_out"}),
    small=WIKIDATA.small,
    full=WIKIDATA.full,
)

WIKIPEDIA = Dataset(
    name="wikipedia",
    mini=Embedded("passages", prompt="Tell me about {title}.", completion="{text}"),
    small=Files(
        "wikipedia/chunks.jsonl",
        prompt="Tell me about {title}.",
        completion="{text}",
        only={"split": "train"},
        max_chars=800,
    ),
    full=Hub(  # our choice of snapshot
        "wikimedia/wikipedia",
        config="20231101.en",
        split="train[:20000]",
        prompt="Tell me about {title}.",
        completion="{text}",
        file="knowledge/wikipedia.jsonl",
    ),
)

WIKIPEDIA_HELD_OUT = Dataset(
    name="wikipedia_held_out",
    mini=WIKIPEDIA.mini,
    small=Files(
        "wikipedia/chunks.jsonl",
        prompt="Tell me about {title}.",
        completion="{text}",
        only={"split": "heldout"},
        max_chars=800,
    ),
    full=WIKIPEDIA.full,
)

KILT = Dataset(
    name="kilt_wow",
    mini=Embedded("dialogues"),
    small=Files("dialogues/wow_kilt_style.jsonl"),
    full=Hub("facebook/kilt_tasks", config="wow", file="knowledge/kilt_wow.jsonl"),
)

# ---- questions ------------------------------------------------------------------------------------------

QUIZ = Dataset(
    name="quiz",
    mini=Embedded("quiz"),
    small=Files("openbookqa/test.jsonl"),
    full=Hub("allenai/openbookqa", config="main", split="test", file="openbookqa/test.jsonl"),
)

TONE_PROMPTS = Dataset(
    name="tone_prompts",
    mini=Embedded("tone_prompts"),
    small=Embedded("tone_prompts"),
    full=Embedded("tone_prompts"),
)

FIRST_LOOK_PROMPTS = Dataset(
    name="first_look_prompts",
    mini=Embedded("first_look"),
    small=Embedded("first_look"),
    full=Embedded("first_look"),
)

# ---- what the knowledge recipes share -------------------------------------------------------------------

FACTS = WIKIDATA.rows(10_000, small=400, mini=240)
PASSAGES = WIKIPEDIA.rows(14_982, small=400, mini=200)
DIALOGUES = KILT.rows(10_000, small=400, mini=240)

KNOWLEDGE_HELD_OUT = Mix(
    FACTS.held_out(200, small=100, mini=40, of=WIKIDATA_HELD_OUT),
    PASSAGES.held_out(200, small=100, mini=40, of=WIKIPEDIA_HELD_OUT),
)
