"""What a beginner types, and broken surroundings: one clear error each, and an exit status that says so."""

import json

import pytest

from tests.projects import run_harness, run_session, write_project


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_project(tmp_path_factory.mktemp("beginner"))


def last_error(output: str) -> str:
    return " ".join(output[output.index("ERROR: ") :].split())


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--gpu", "zero"], "DeviceError: --gpu zero: not a list of device numbers. Write --gpu 0 or --gpu 0,1."),
        (["--scale", "huge"], "RecipeError: --scale huge: there is no such scale. Choose tiny, mini, small or full."),
        (["--data-root", "nowhere"], "HarnessError: --data-root nowhere: no such folder."),
        (["--seeds", "0"], "HarnessError: --seeds 0: at least one seed is needed."),
        (["--track", "notes"], "HarnessError: --track notes: there is no such tracker."),
        (["--model", "./nothing"], "RecipeError: base model directory ./nothing does not exist."),
    ],
)
def test_wrong_option_is_one_usage_error(root, arguments, told):
    status, output = run_session(root, "-k", "look or nothing", *arguments)
    assert status == 4
    assert told in last_error(output)
    assert "Traceback" not in output


def test_a_gpu_that_is_not_there_is_named(root, monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")  # no nvidia-smi: as on a machine without a GPU
    status, output = run_session(root, "--gpu", "0")
    assert status == 4
    assert "DeviceError: --gpu 0: this machine shows no CUDA device 0 (visible: none)." in output
    assert "Leave --gpu out to run on the CPU." in output


def test_misspelt_field_fails_at_collection_with_the_right_name(tmp_path):
    root = write_project(tmp_path)
    recipe = root / "recipes" / "tiny.py"
    recipe.write_text(recipe.read_text().replace("effective_batch_size=8", "effectiv_batch_size=8"))
    status, output = run_session(root)
    assert status == 4
    assert "Finetune has no field 'effectiv_batch_size'. Did you mean 'effective_batch_size'?" in last_error(output)
    assert "recipes/tiny.py:" in output


def test_claim_about_an_unknown_recipe_fails_at_collection(tmp_path):
    root = write_project(tmp_path)
    recipe = root / "recipes" / "tiny.py"
    recipe.write_text(recipe.read_text().replace('lower_than="other"', 'lower_than="othr"'))
    status, output = run_session(root)
    assert status == 4
    assert "plain: a claim names the recipe 'othr', which does not exist. Did you mean 'other'?" in last_error(output)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "rows.jsonl is empty."),
        (b'{"prompt": "a", "completion": "b"}\n{"prompt": "c"', "rows.jsonl:2: not JSON"),
        (b'{"prompt": "a", "completion": "\xff"}\n', "rows.jsonl:1: not UTF-8 (byte 0xff)"),
        (b'{"prompt": "a", "answer": "b"}\n', 'rows.jsonl:1: row has no "completion" (found: prompt, answer).'),
        (b'{"prompt": "a", "completion": 3}\n', 'rows.jsonl:1: "completion" is int, not text.'),
        (b'{"prompt": "a", "completion": " "}\n', 'rows.jsonl:1: "completion" is empty.'),
    ],
)
def test_bad_training_file_is_named_with_its_line(tmp_path, content, told):
    root = write_project(tmp_path)
    datasets = root / "recipes" / "datasets.py"
    declared = datasets.read_text().replace("import Dataset, Embedded", "import Dataset, Embedded, Files")
    datasets.write_text(declared.replace('Embedded("instructions")', 'Files("rows.jsonl")'))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "rows.jsonl").write_bytes(content)
    status, output = run_session(root, "-k", "other", "--data-root", str(tmp_path / "data"))
    assert status == 4, output
    assert f"DataError: {told}" in last_error(output)


def test_training_rows_that_contain_a_whole_evaluation_item_are_an_error(tmp_path):
    root = write_project(tmp_path)
    suite = root / "suites" / "test_look.py"
    suite.write_text(
        suite.read_text()
        .replace("from recipes.datasets import PROMPTS", "from recipes.datasets import TALK")
        .replace("dataset=PROMPTS", "dataset=TALK")
        .replace('prompt=row["prompt"])', 'prompt=row["instruction"], target=row["output"])')
    )
    status, output = run_session(root, "-k", "other and look")
    assert status == 4
    assert "other-mini finetune: its rows contain whole evaluation items: instructions.jsonl:" in last_error(output)


def test_unknown_names_on_the_command_line_are_told(root):
    for arguments, told in (
        (("why", "plane"), "there is no recipe or variant 'plane' at mini scale"),
        (("compare", "plain", "other"), "no suite has measured both plain-mini and other-mini"),
        (("gate",), "no claim can be judged: nothing they need is measured."),
        (("gate", "--gpu", "0", "--exact"), "Run: pytest suites/ --scale mini --gpu 0 --exact"),
        (("results", "query", "select 1"), "does not exist. Run a suite first"),
        (("store", "prune", "--damaged", "abc"), "0 artifacts start with 'abc'"),
    ):
        found = run_harness(root, *arguments)
        assert found.returncode == 2, arguments
        assert told in " ".join(found.stderr.split())
        assert "Traceback" not in found.stderr


def test_tone_names_a_row_without_text(root, tmp_path):
    file = tmp_path / "rows.jsonl"
    file.write_text('{"text": "Oh, I love that!"}\n{"answer": "no"}\n')
    found = run_harness(root, "tone", str(file))
    assert found.returncode == 2
    assert 'rows.jsonl:2: row has no "text" (found: answer).' in found.stderr


def test_tone_scores_rows_and_keeps_their_fields(root, tmp_path):
    file = tmp_path / "rows.jsonl"
    file.write_text('{"id": 7, "text": "Oh, I love that! Do you play too?"}\n')
    found = run_harness(root, "tone", str(file))
    assert found.returncode == 0, found.stderr
    row = json.loads(found.stdout)
    assert row["id"] == 7
    assert row["conversational"] > 0.8
    assert row["features"]["first_person"] > 0


def test_outside_a_project_the_command_says_where_to_go(tmp_path):
    found = run_harness(tmp_path, "plan")
    assert found.returncode == 2
    assert "is in no project" in found.stderr


def test_a_mistyped_recipe_after_k_is_told_with_the_likely_one(root):
    status, output = run_session(root, "-k", "plian or nothing_of_the_kind")
    assert status == 5
    assert "note: -k names plian, which no test's name holds; did you mean plain?" in output
    assert "note: -k names nothing_of_the_kind, which no test's name holds; recipes: ground, plain, other" in output
