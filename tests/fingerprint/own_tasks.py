"""A task file of lm-eval that reaches others in every way there is: included, as data, as examples, as functions."""

TASK = """
task: quiz
include: {include}
dataset_path: json
dataset_kwargs:
  data_files: {data}
test_split: test
doc_to_text: !function {function}
"""
FILES = {
    "common/base.yaml": "include: deeper/root.yaml\nfewshot_config:\n  samples: shots.jsonl\n",
    "common/deeper/root.yaml": "description: 'see words.txt'\n",
    "common/shots.jsonl": "{}\n",
    "common/words.txt": "not beside the file that names it\n",
    "sub/quiz.jsonl": "{}\n",
    "sub/more quiz.jsonl": "{}\n",
    "utils.py": "import helpers\nfrom parts.texts import ask\n\n\ndef text(doc):\n    return ask(doc)\n",
    "helpers.py": "LABELS = open('labels.txt').read()\n",
    "labels.txt": "A\n",
    "parts/texts.py": "def ask(doc):\n    return doc['q']\n",
    "parts/unrelated.txt": "\n",
    "unrelated.jsonl": "{}\n",
}
ALWAYS = {
    "quiz.yaml", "common/base.yaml", "common/deeper/root.yaml", "common/shots.jsonl", "utils.py", "helpers.py", "labels.txt",
    "parts/texts.py",
}  # fmt: skip
DATA = [  # how data files are named, and which are meant
    ("sub/quiz.jsonl", {"sub/quiz.jsonl"}),
    ("'sub/more quiz.jsonl'", {"sub/more quiz.jsonl"}),
    ("[sub/quiz.jsonl, 'sub/more quiz.jsonl']", {"sub/quiz.jsonl", "sub/more quiz.jsonl"}),
    ("{test: sub/quiz.jsonl}", {"sub/quiz.jsonl"}),
    ("{test: [sub/quiz.jsonl]}", {"sub/quiz.jsonl"}),
    ("{test: 'sub/*.jsonl'}", {"sub/quiz.jsonl", "sub/more quiz.jsonl"}),
    ("'**/quiz.jsonl'", {"sub/quiz.jsonl"}),
    ("../outside.jsonl", {"../outside.jsonl"}),
    ("{root}/outside.jsonl", {"../outside.jsonl"}),
    ("null\n  data_dir: sub", {"sub/quiz.jsonl", "sub/more quiz.jsonl"}),
]


def write_task(folder, data):
    """quiz.yaml in `folder`, whose data files are given so, with all that it reaches, one file of it beside the folder."""
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder.parent / "outside.jsonl").write_text("{}\n")
    data = data.replace("{root}", str(folder.parent))
    (folder / "quiz.yaml").write_text(TASK.format(include="common/base.yaml", data=data, function="utils.text"))
    return folder / "quiz.yaml"
