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

# ---- new facts: one file per domain holds the rows to train on and the questions to ask -----------------


def taught(domain: str) -> Dataset:
    """A domain's training rows: every item in five phrasings, which are a group."""
    return _domain(domain, Embedded(domain, explode="train", prompt="{question}", completion="{answer}", group="item"))


def asked(domain: str) -> Dataset:
    """A domain's questions: verbatim, unseen, reversed, about neighbouring facts and about invented items."""
    return _domain(f"{domain}_questions", Embedded(domain, explode="questions"))


def _domain(name: str, source: Embedded) -> Dataset:
    return Dataset(name=name, mini=source, small=source, full=source)


SOFTWARE_DEFECTS, SOFTWARE_DEFECT_QUESTIONS = taught("software_defects"), asked("software_defects")
EVENTS_2025, EVENT_QUESTIONS = taught("events_2025"), asked("events_2025")

# ---- statistics -----------------------------------------------------------------------------------------

CROSS_VALIDATED = Dataset(
    name="cross_validated",
    mini=Embedded(
        "statistics_qa",
        only={"kind": "forum"},
        prompt="{question}",
        completion="{answer}",
        group="group",
        keep=("citation",),
    ),
    small=Files(
        "statistics/crossvalidated_qa.jsonl",
        prompt="{question}",
        completion="{answer}",
        group="id",  # a question is its own group
        keep=("url", "answer_author"),
        max_chars=900,  # with room for both in 512 tokens of the small tokenizer
    ),
    full=Files(
        "statistics/crossvalidated.jsonl", prompt="{question}", completion="{answer}", group="id", keep=("url",)
    ),
)

STATISTICS_PAPERS = Dataset(
    name="statistics_papers",
    mini=Embedded(
        "statistics_qa",
        only={"kind": "paper"},
        prompt="{question}",
        completion="{answer}",
        group="group",
        keep=("citation",),
    ),
    small=Files(  # textbook exercises stand in for questions on papers; a chapter is a group
        "statistics/openstax_statistics_exercises.jsonl",
        prompt="{question}",
        completion="{answer}",
        group="section",
        max_chars=900,  # with room for both in 512 tokens of the small tokenizer
    ),
    full=Files(
        "statistics/arxiv_qa.jsonl", prompt="{question}", completion="{answer}", group="source_id", keep=("citation",)
    ),
)

STATISTICS_CHOICES = Dataset(
    name="statistics_choices",
    mini=Embedded("statistics_choices"),
    small=Files("statistics/mmlu_high_school_statistics.jsonl"),
    full=Embedded("statistics_choices"),
)

CRITICAL_QUESTIONS = Dataset(
    name="critical_questions",
    mini=Embedded("statistics_critical"),
    small=Embedded("statistics_critical"),
    full=Embedded("statistics_critical"),
)

# ---- crawled text ---------------------------------------------------------------------------------------

CHUNKS = Dataset(
    name="chunks",
    mini=Embedded("crawl", text="text", min_chars=200, max_chars=1_600),
    small=Files("wikipedia/chunks.jsonl", text="text", only={"split": "train"}, min_chars=200, max_chars=1_600),
    full=Files("wiki_chunks/train.jsonl", text="text"),  # written by `harness data chunks`
)

CHUNKS_HELD_OUT = Dataset(
    name="chunks_held_out",
    mini=CHUNKS.mini,
    small=Files("wikipedia/chunks.jsonl", text="text", only={"split": "heldout"}, min_chars=200, max_chars=1_600),
    full=Files("wiki_chunks/eval.jsonl", text="text"),
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

# ---- what several recipes share -------------------------------------------------------------------------

FACTS = WIKIDATA.rows(10_000, small=200, mini=80, tiny=240)
PASSAGES = WIKIPEDIA.rows(14_982, small=200, mini=40, tiny=200)
DIALOGUES = KILT.rows(10_000, small=200, mini=80, tiny=240)

KNOWLEDGE_HELD_OUT = Mix(
    FACTS.held_out(200, small=100, mini=40, of=WIKIDATA_HELD_OUT),
    PASSAGES.held_out(200, small=100, mini=20, tiny=40, of=WIKIPEDIA_HELD_OUT),
)

STATISTICS, STATISTICS_HELD_OUT = Mix(
    CROSS_VALIDATED.rows(143, small=60, mini=25),
    STATISTICS_PAPERS.rows(846, small=120, mini=148),
).split(99, small=18, mini=17)  # a tenth, by whole papers
