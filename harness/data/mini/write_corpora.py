"""The mini corpora: facts, passages, dialogues and prompts, written from the tables in tables/.

`python -m harness.data.mini.write_corpora` reads tables/ and writes JSONL files into this folder. The same tables
always give the same bytes.
"""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

HERE = Path(__file__).parent
TABLES = HERE / "tables"
PASSAGES_PER_TOPIC = 3
TONE_PROMPTS = 260

POSSESSIVE = {"it": "its", "he": "his", "she": "her"}
# After these words only the name reads well, no pronoun or noun: modern football, dried pasta.
BEFORE_NAME = {
    "modern",
    "good",
    "dried",
    "fresh",
    "new",
    "fine",
    "sun-dried",
    "indoor",
    "finished",
    "hard",
    "artificial",
}
# A pronoun reads well after these words; after any other word the name is repeated.
BEFORE_PERSON = {",", "that", "because", "when", "did", "was"}
BEFORE_IT = BEFORE_PERSON | {
    "on",
    "at",
    "by",
    "from",
    "with",
    "to",
    "for",
    "against",
    "near",
    "below",
    "around",
    "across",
    "inside",
    "beside",
    "through",
    "into",
    "over",
    "under",
    "behind",
    "before",
    "while",
    "if",
    "and",
    "but",
    "is",
    "than",
    "does",
}


@dataclass(frozen=True)
class Attribute:
    """A column of a table and the sentences that can express it."""

    column: str
    label: str
    section: str
    questions: list[str] = field(default_factory=list)
    statements: list[str] = field(default_factory=list)
    clauses: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Category:
    """A table: what its topics are called, its columns, and sentences that fit every topic."""

    noun: str
    attributes: list[Attribute] = field(default_factory=list)
    general: list[str] = field(default_factory=list)
    openers: list[str] = field(default_factory=list)
    closers: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Topic:
    """One row of a table."""

    table: str
    cells: dict[str, str]
    category: Category
    notes: list[str]

    @property
    def name(self) -> str:
        """The name in running text: the Danube, a baker, Rome."""
        return self.cells["topic"]

    @property
    def title(self) -> str:
        return capitalize(re.sub(r"^(the|a|an) ", "", self.name))

    @property
    def noun(self) -> str:
        """What a later sentence calls the topic: the river, the baker, the scientist."""
        if self.name.startswith(("a ", "an ")):
            return "the " + self.name.split(" ", 1)[1]
        if self.cells.get("kind") == "food":  # "the food" says too little
            return self.name
        return "the " + self.cells["kind"] if "kind" in self.cells else self.category.noun or self.name

    @property
    def pronoun(self) -> str:
        return self.noun if self.table == "occupations" else self.cells.get("pronoun", "it")

    @property
    def many(self) -> str:
        """The name in the plural, if the table has one: dolphins."""
        return self.cells.get("many", self.name)

    @property
    def single(self) -> str:
        """The name after "what is": an elephant, the Danube, bread."""
        if self.table in ("animals", "plants") and self.name.startswith("the "):
            return mend_articles("a " + self.name[4:])
        return self.name


def read_patterns() -> dict[str, Category]:
    """The categories of patterns.txt by table name."""
    categories: dict[str, Category] = {}
    for line in content_lines("patterns.txt"):
        if head := re.fullmatch(r"\[(\w+)\] ?(.*)", line):
            category = categories[head[1]] = Category(noun=head[2])
        elif head := re.fullmatch(r"\[\w+\.(\w+)\] (.+) / (.+)", line):
            attribute = Attribute(head[1], head[2], head[3])
            category.attributes.append(attribute)
        else:
            mark, text = line.split(" ", 1)
            if mark in "+<>":
                lists = {"+": category.general, "<": category.openers, ">": category.closers}
            else:
                lists = {"?": attribute.questions, ".": attribute.statements, "~": attribute.clauses}
            lists[mark].append(text)
    return categories


def read_sections(name: str) -> dict[str, list[str]]:
    """[section] -> the lines below it, in a text table."""
    sections: dict[str, list[str]] = {}
    for line in content_lines(name):
        if head := re.fullmatch(r"\[(.+)\]", line):
            lines = sections[head[1]] = []
        else:
            lines.append(line)
    return sections


def read_topics() -> list[Topic]:
    """All topics, in the order of patterns.txt and then of their table."""
    notes: dict[str, list[str]] = {}
    for line in content_lines("notes.txt"):
        if line.startswith("= "):
            current = notes[line[2:]] = []
        else:
            current.append(line)
    topics = []
    for table, category in read_patterns().items():
        header, *rows = content_lines(f"{table}.tsv")
        for row in rows:
            cells = dict(zip(header.split("\t"), row.split("\t"), strict=True))
            topics.append(Topic(table, cells, category, notes[cells["topic"]]))
    return topics


def content_lines(name: str) -> list[str]:
    """The lines of a table that are neither blank nor comments."""
    lines = (TABLES / name).read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def capitalize(text: str) -> str:
    return text[:1].upper() + text[1:]


def mend_articles(text: str) -> str:
    """a -> an before a vowel sound."""
    return re.sub(r"\b([Aa]) (?=[aeio]|un(?!i)|8\d\b)(?!one\b|eu)", r"\1n ", text)


def fill(pattern: str, topic: Topic, subject: str) -> str:
    """The pattern with the topic's cells in it, and the subject in place of "@". Its first letter stays as it is."""
    if subject in POSSESSIVE:  # the banks of it -> its banks
        inner = r"(?:(?!of|on|in|at|to|for|from|by|with|after)[\w-]+ ){1,3}"
        pattern = re.sub(rf"\b[Tt]he ({inner})of @(?! )", rf"{POSSESSIVE[subject]} \1", pattern)
        pattern = re.sub(rf"\b[Tt]he ({inner})of @ ", rf"{POSSESSIVE[subject]} \1", pattern)
        pattern = re.sub(r" (?=[.?,])", "", pattern).rstrip()

    def mention(match: re.Match[str]) -> str:
        return subject_after(match.string[: match.start()], pattern, topic, subject)

    return mend_articles(re.sub("@", mention, pattern).format(**topic.cells))


def subject_after(before: str, pattern: str, topic: Topic, subject: str) -> str:
    """The subject as it is written after the words `before`: the name, if a noun or pronoun would read badly there."""
    words = before.replace(",", " ,").lower().split()
    if not words:
        return topic.name if subject == topic.noun and repeats_noun(pattern, topic) else subject
    if subject in POSSESSIVE:
        return subject if words[-1] in (BEFORE_IT if subject == "it" else BEFORE_PERSON) else topic.name
    if subject == topic.noun and (words[-1] in BEFORE_NAME or repeats_noun(pattern, topic)):
        return topic.name
    return subject


def repeats_noun(pattern: str, topic: Topic) -> bool:
    """Whether the noun would come twice in the sentence: the river is the longest river."""
    words = pattern.format(**topic.cells).lower()
    return topic.noun != "the " + topic.title.lower() and topic.noun.split()[-1] in words


def sentence(pattern: str, topic: Topic, subject: str) -> str:
    return capitalize(fill(pattern, topic, subject))


def rotate(items: list, steps: int) -> list:
    """The items from number `steps` on, then those before it."""
    steps %= len(items)
    return items[steps:] + items[:steps]


def facts(topics: list[Topic]) -> list[dict]:
    """Two or three rows for each topic: subject, property, object, a question and its answer."""
    rows = []
    for number, topic in enumerate(topics):
        count = 3 if number % 5 < 3 else 2
        for offset, attribute in enumerate(rotate(topic.category.attributes, number)[:count]):
            pattern = attribute.statements[(number + offset) % len(attribute.statements)]
            statement = sentence(pattern, topic, topic.name)
            if (number + offset) % 5 == 0:
                statement += " " + sentence(topic.notes[number % 3], topic, topic.name)
            rows.append(
                {
                    "subject": topic.title,
                    "property": attribute.label,
                    "object": topic.cells[attribute.column],
                    "question": sentence(attribute.questions[0], topic, topic.name),
                    "statement": statement,
                }
            )
    return rows


def passages(topics: list[Topic]) -> list[dict]:
    """Three encyclopedic passages for each topic; each begins with another of its columns."""
    rows = []
    for number, topic in enumerate(topics):
        for turn in range(PASSAGES_PER_TOPIC):
            random = Random(f"passage {topic.name} {turn}")
            attributes = rotate(topic.category.attributes, number + turn)
            text = write_passage(topic, attributes, number + turn, turn, random)
            rows.append({"title": topic.title, "section": attributes[0].section, "text": text})
    return rows


def crawl(topics: list[Topic]) -> list[dict]:
    """One more passage for each topic, in the form of a crawler's chunk."""
    rows = []
    for number, topic in enumerate(topics):
        turn = PASSAGES_PER_TOPIC
        attributes = rotate(topic.category.attributes, number + turn)
        text = write_passage(topic, attributes, number + turn, turn, Random(f"crawl {topic.name}"))
        url = f"https://encyclopedia.example/{re.sub(r'[^a-z0-9]+', '-', topic.title.lower()).strip('-')}"
        rows.append(
            {"url": url, "title": topic.title, "section_path": [topic.title, attributes[0].section], "text": text}
        )
    return rows


def write_passage(topic: Topic, attributes: list[Attribute], step: int, turn: int, random: Random) -> str:
    chosen = attributes[: random.choice([3, 3, 4])]
    patterns = [a.statements[(step + i + turn) % len(a.statements)] for i, a in enumerate(chosen)]
    rest = patterns[1:] + rotate(topic.notes, turn)[: random.choice([2, 2, 3])]
    random.shuffle(rest)
    sentences = [patterns[0], *rest]
    if turn == 1 and random.random() < 0.4:
        sentences.sort(key=lambda pattern: pattern not in topic.notes)  # the notes come first
    if random.random() < 0.4:
        sentences.insert(random.choice([0, len(sentences)]), random.choice(topic.category.general))
    return join_sentences(sentences, topic, random)


def join_sentences(patterns: list[str], topic: Topic, random: Random) -> str:
    """The sentences in their order. A pronoun follows only a sentence that has the topic as its subject."""
    written: list[str] = []
    named = led = False  # whether the topic has been named; whether the last sentence has it as its subject
    for pattern in patterns:
        if not named:
            subject = topic.name
        elif led and random.random() < 0.6:
            subject = topic.pronoun
        else:
            subject = random.choice([topic.name, topic.noun, topic.noun])
            if topic.name.startswith(("a ", "an ")):
                subject = topic.noun
        starts = pattern.startswith("@")
        joins = led and starts and subject == topic.pronoun and " and " not in written[-1]
        if joins and random.random() < 0.35:
            written[-1] = written[-1][:-1] + ", and " + fill(pattern, topic, subject)
            led = False
            continue
        written.append(sentence(pattern, topic, subject))
        named = named or "@" in pattern
        led = starts
    return " ".join(written)


def dialogues(topics: list[Topic]) -> list[dict]:
    """Three records for each topic: an opening and its answer, one turn more, and a talk that the wizard opens."""
    chat = read_sections("chat.txt")
    decks = {name: Deck(lines, name) for name, lines in chat.items()}
    rows = []
    for number, topic in enumerate(topics):
        random = Random(f"dialogue {topic.name}")
        clauses = deal_clauses(topic, random)
        first = opening(topic, number, decks)
        answer = reply(topic, first, clauses[0][1], decks, random)
        rows.append(record(number, topic, [first], answer))
        fourth = clauses[3 % len(clauses)][1]
        greeting = decks["wizard opener"].draw(topic) + " " + decks["lead"].draw(topic, c=fourth)
        for turns, (attribute, clause) in zip([[first, answer], [greeting]], clauses[1:]):
            turns.append(follow_up(topic, attribute, decks, random))
            rows.append(record(number, topic, turns, reply(topic, turns[-1], clause, decks, random)))
    return rows


class Deck:
    """Lines that are dealt like cards: all of them in shuffled order, then all again. So each is used equally often."""

    left: list[str]

    def __init__(self, lines: list[str], name: str) -> None:
        self.lines, self.random, self.left = lines, Random(name), []

    def deal(self) -> str:
        if not self.left:
            self.left = self.random.sample(self.lines, len(self.lines))
        return self.left.pop()

    def draw(self, topic: Topic, **cells: str) -> str:
        return filled_in(self.deal(), topic, **cells)


def filled_in(line: str, topic: Topic, **cells: str) -> str:
    return capitalize(line.format(topic=topic.name, many=topic.many, **cells))


def deal_clauses(topic: Topic, random: Random) -> list[tuple[Attribute | None, str]]:
    """Clauses about the topic in random order, each with its column; None for a clause from the notes."""
    subject = short_subject(topic)
    dealt: list[tuple[Attribute | None, str]] = [
        (a, contract(fill(random.choice(a.clauses), topic, subject))) for a in topic.category.attributes
    ]
    notes = [note for note in topic.notes if note.startswith("@")]
    dealt += [(None, contract(fill(note, topic, subject).removesuffix("."))) for note in notes]
    random.shuffle(dealt)
    return dealt


def short_subject(topic: Topic) -> str:
    """The topic in a dialogue: a pronoun, or "a dolphin" if the topic is dolphins."""
    return topic.single if "many" in topic.cells else topic.pronoun


def contract(text: str) -> str:
    pairs = {"it is ": "it's ", "does not": "doesn't", "cannot": "can't", "did not": "didn't"}
    for long, short in pairs.items():
        text = text.replace(long, short)
    return text


def opening(topic: Topic, number: int, decks: dict[str, Deck]) -> str:
    kind = number % 3
    if kind == 0:
        return decks["plain opener"].draw(topic)
    if kind == 1:
        return decks["chatty opener"].draw(topic)
    openers = topic.category.openers
    return sentence(openers[number // 3 % len(openers)], topic, topic.name)


def follow_up(topic: Topic, attribute: Attribute | None, decks: dict[str, Deck], random: Random) -> str:
    if attribute is None or random.random() < 0.4:
        return decks["follow up"].draw(topic)
    question = sentence(attribute.questions[0], topic, short_subject(topic))
    return decks["question"].draw(topic, q=question)


def reply(topic: Topic, turn: str, clause: str, decks: dict[str, Deck], random: Random) -> str:
    """Ten to forty casual words around the clause, in answer to the turn."""
    requests = ("Tell", "Please", "Give", "I have a question", "I would like")
    asked = turn.endswith("?") or turn.startswith(requests)
    parts = [decks["lead"].draw(topic, c=clause)]
    shape = random.random()
    if shape < 0.75:
        parts.insert(0, decks["react to question" if asked else "react to remark"].draw(topic))
    if shape > 0.35:
        on_topic = random.random() < 0.4
        parts.append(random.choice(topic.category.closers) if on_topic else decks["close"].draw(topic))
    if len(" ".join(parts).split()) < 10:
        parts.append(decks["close"].draw(topic))
    return " ".join(parts)


def record(number: int, topic: Topic, turns: list[str], answer: str) -> dict:
    place = {1: 2 * number + 1, 3: 2 * number + 1, 2: 2 * number + 2}[len(turns)]
    return {
        "id": f"dialogues-{place:04d}_{len(turns)}",
        "topic": topic.title,
        "input": "\n".join(turns),
        "output": [{"answer": answer}],
    }


def tone_prompts(topics: list[Topic]) -> list[dict]:
    """One neutral prompt for each of TONE_PROMPTS topics, with its phrasing; the topics left out are evenly spaced."""
    sections = read_sections("prompts.txt")
    decks = {name: Deck(lines, "prompt " + name) for name, lines in sections.items()}
    surplus = len(topics) - TONE_PROMPTS
    left_out = {round((i + 0.5) * len(topics) / surplus) for i in range(surplus)}
    rows = []
    for number, topic in enumerate(topics):
        if number in left_out:
            continue
        line = decks["person" if topic.table == "people" else "thing"].deal()
        prompt = filled_in(line, topic, **{"is": topic.single})
        rows.append({"topic": topic.title, "phrasing": re.sub(r"\{\w+\}", "…", line), "prompt": prompt})
    return rows


def first_look() -> list[dict]:
    return [{"prompt": line} for line in content_lines("first_look.txt")]


def mark_held_out(facts: list[dict], others: list[str]) -> list[dict]:
    """The facts with their `split`: every fourth is held out of those with 8 words or more that no other text has."""
    other_words = [" ".join(re.findall(r"\w+", text.lower())) for text in others]
    kept = 0
    for fact in facts:
        words = re.findall(r"\w+", fact["statement"].lower())
        unique = len(words) >= 8 and not any(" ".join(words) in text for text in other_words)
        kept += unique
        fact["split"] = "held_out" if unique and kept % 4 == 0 else "train"
    return facts


def write_jsonl(name: str, rows: list[dict], prefix: str | None = None, digits: int = 4) -> None:
    """Write the rows. With a prefix they get ids: prefix-0001, prefix-0002, and so on."""
    with (HERE / name).open("w", encoding="utf-8", newline="\n") as file:
        for number, row in enumerate(rows, start=1):
            if prefix:
                row = {"id": f"{prefix}-{number:0{digits}d}", **row}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def main() -> None:
    topics = read_topics()
    passage_rows, crawl_rows, dialogue_rows = passages(topics), crawl(topics), dialogues(topics)
    others = [row["text"] for row in [*passage_rows, *crawl_rows]]
    others += [row["output"][0]["answer"] for row in dialogue_rows]
    write_jsonl("facts.jsonl", mark_held_out(facts(topics), others), "facts")
    write_jsonl("passages.jsonl", passage_rows, "passages")
    write_jsonl("crawl.jsonl", crawl_rows, "crawl")
    write_jsonl("dialogues.jsonl", dialogue_rows)
    write_jsonl("tone_prompts.jsonl", tone_prompts(topics), "tone", digits=3)
    write_jsonl("first_look.jsonl", first_look(), "look", digits=2)


if __name__ == "__main__":
    main()
