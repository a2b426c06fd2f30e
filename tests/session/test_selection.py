"""What selected tests ask for, from their parameters and the suites they name."""

from harness import Recipe, Variant
from harness.gates.gate import gates_of
from harness.session.selection import Selection, misspelt_words, paired_by_variant, subjects_for, suites_named
from tests.hand_made import add


def test_a_test_that_asks_for_a_checkpoint_measures_the_suites_its_code_names(made):
    alpha = add(made, "alpha")
    selection = Selection()
    selection.add({"checkpoint": alpha}, lambda: [made.suites["quiz"]])
    assert selection.subjects == [alpha]
    assert selection.evaluations == [(made.suites["quiz"], alpha)]
    assert selection


def test_a_suite_among_the_parameters_counts_too_and_a_test_without_a_subject_asks_for_nothing(made):
    alpha = add(made, "alpha")
    selection = Selection()
    selection.add({"checkpoint": alpha, "suite": made.suites["tone"]}, list)
    assert selection.evaluations == [(made.suites["tone"], alpha)]
    empty = Selection()
    empty.add({"suite": made.suites["tone"], "n": 3}, lambda: [made.suites["quiz"]])
    assert not empty


def test_a_gate_is_selected_as_a_gate(made):
    from harness import Claim

    alpha = add(made, "alpha", claims=[Claim("quiz", "acc", above=0.5)])
    [gate] = gates_of(alpha)
    selection = Selection()
    selection.add({"verdict": gate}, list)
    assert (selection.gates, selection.evaluations) == ([gate], [])


def test_the_suites_that_a_function_names_are_found_in_its_module(made):
    import types

    module = types.ModuleType("test_module")
    exec("def test(checkpoint, evaluate):\n    evaluate(QUIZ, checkpoint)\n    len(str(NUMBER))\n", vars(module))
    vars(module).update(QUIZ=made.suites["quiz"], TONE=made.suites["tone"], NUMBER=3)
    assert suites_named(module.test, module) == [made.suites["quiz"]]


def test_a_suite_concerns_only_subjects_that_have_what_it_asks(made):
    from dataclasses import replace

    from harness import TrainingRecord

    add(made, "alpha")
    suite = replace(made.suites["quiz"], asks=(TrainingRecord(),))
    assert len(subjects_for(made.project, [made.suites["quiz"]])) == 1
    assert subjects_for(made.project, [suite]) == []  # nothing held out


def test_a_test_of_two_recipes_pairs_them_by_variant(made):
    add(made, "alpha")
    add(made, "beta")
    paired = paired_by_variant(made.project, ["alpha", "beta"])
    assert {variant: [subject.id for subject in pair] for variant, pair in paired.items()} == {
        "mini": ["alpha-mini", "beta-mini"]
    }


def test_a_mistyped_word_of_k_is_named_with_the_nearest_recipe(made):
    add(made, "wiki_only")
    names = ["test_tone[wiki_only-mini]"]
    [note] = misspelt_words("wiki_onyl and not quiz_", [*names, "quiz_"], made.project)
    assert "wiki_onyl" in note
    assert "did you mean wiki_only?" in note
    assert misspelt_words("WIKI_only or tone", names, made.project) == []


def test_a_word_that_names_a_subject_of_another_scale_is_told_with_that_scale(made):
    variants = [Variant("mini", base="org/x", scale="mini"), Variant("3b", base="org/y", scale="full")]
    made.recipes["wiki_only"] = Recipe(name="wiki_only", variants=variants)
    [note] = misspelt_words("wiki_only-3b", ["test_tone[wiki_only-mini]"], made.project)
    assert note.endswith("it is of another scale: --scale full")
    [note] = misspelt_words("wiki_only", ["test_quiz[alpha-mini]"], made.project)
    assert note.endswith("none of the tests that were collected concerns it")
