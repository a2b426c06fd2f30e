"""Rows from a Stack Exchange dump: which questions and answers, as what text, and what is said of a damaged dump."""

import json
from pathlib import Path

import pytest

from harness.data.building import extra
from harness.data.building.dump import Dump
from harness.data.building.readable import as_text
from harness.data.building.stackexchange import Wanted, build, site_of
from harness.errors import DataError, HarnessError
from tests.dumps import answer, question, write_dump

pytest.importorskip("markdownify")

SITE = "stats.stackexchange.com"


def built(tmp_path, posts, **wanted):
    """(rows, what was counted) of a dump with these posts."""
    dump = write_dump(tmp_path / "Posts.xml", posts)
    counts = build(Dump(dump), tmp_path / "rows.jsonl", SITE, Wanted(**wanted))
    return [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()], counts


def answers_of(rows):
    return {row["id"]: row["answer"] for row in rows}


def test_a_row_has_its_text_address_authors_and_licence(tmp_path):
    posts = [
        question(3, AcceptedAnswerId=4, OwnerDisplayName="Ann"),
        answer(4, 3, OwnerUserId="", OwnerDisplayName="Bo"),
    ]
    [row], _ = built(tmp_path, posts)
    assert row == {
        "id": "stats-3",
        "title": "How is 3 tested?",
        "question": "How is 3 tested?\n\nIs $\\sigma_1 < \\sigma_2$ here? I ran `lm(y ~ x)`:\n\n```\nfit <- lm(y ~ x)\n  summary(fit)\n```",
        "answer": "By answer 4.",
        "tags": ["anova", "regression"],
        "score": 5,
        "answer_score": 1,
        "accepted": True,
        "url": "https://stats.stackexchange.com/questions/3",
        "answer_url": "https://stats.stackexchange.com/a/4",
        "question_author": "Ann (https://stats.stackexchange.com/users/7)",
        "answer_author": "Bo",
        "licence": "CC BY-SA 4.0 and CC BY-SA 3.0",
    }


@pytest.mark.parametrize(
    ("posts", "wanted", "chosen"),
    [
        ([question(1, AcceptedAnswerId=2), answer(2, 1, 1), answer(3, 1, 9)], {}, 2),
        ([question(1, AcceptedAnswerId=3), answer(2, 1, 9), answer(3, 1, 1)], {}, 3),
        ([question(1), answer(2, 1, 4), answer(3, 1, 9), answer(4, 1, 9)], {}, 3),
        ([question(1, AcceptedAnswerId=2), answer(2, 1, -3), answer(3, 1, 2)], {}, 3),
        ([answer(1, 5, 7), question(5), answer(6, 5, 3)], {}, 1),
        ([answer(1, 5, 3), question(5), answer(6, 5, 7)], {}, 6),
        ([answer(1, 5, 7), question(5), answer(6, 5, 7)], {}, 1),
        ([answer(1, 5, 3), question(5, AcceptedAnswerId=1), answer(6, 5, 7)], {"accepted": True}, 1),
    ],
    ids=["accepted", "accepted last", "highest, of equal the first", "accepted below", "early", "early, lower", "early, of equal the first", "early, accepted"],
)  # fmt: skip
def test_the_accepted_answer_is_taken_or_else_the_best(tmp_path, posts, wanted, chosen):
    rows, _ = built(tmp_path, posts, **wanted)
    assert list(answers_of(rows).values()) == [f"By answer {chosen}."]


def test_tags_scores_and_number_say_which_questions(tmp_path):
    posts = [
        question(1, Tags="|anova|r|", Score=9), question(2, Tags="<bayesian>"), question(3, Score=1), question(4, Score=7),
        question(5, Score=8), question(6), answer(7, 1), answer(8, 2), answer(9, 3), answer(10, 4), answer(11, 5),
    ]  # fmt: skip
    rows, counts = built(tmp_path, posts, tags=("anova", "time-series"), min_score=2, rows=2)
    assert list(answers_of(rows)) == ["stats-1", "stats-5"]
    assert (counts.posts, counts.questions, counts.wanted, counts.rows) == (11, 6, 4, 2)
    assert dict(counts.left_out) == {"no such answer": 1, "more than --rows": 1}


def test_authors_are_named_where_the_dump_has_its_users(tmp_path):
    users = [{"Id": 7, "DisplayName": "Ann <b>"}, {"Id": 8, "DisplayName": "Bo"}, {"Id": 9, "DisplayName": "Cy"}]
    write_dump(tmp_path / "Users.xml", users, "users")
    [row], _ = built(tmp_path, [question(1), answer(2, 1)])
    assert row["question_author"] == "Ann <b> (https://stats.stackexchange.com/users/7)"
    assert row["answer_author"] == "Bo (https://stats.stackexchange.com/users/8)"


def test_an_archive_is_read_as_it_is_decompressed(tmp_path):
    py7zr = pytest.importorskip("py7zr")
    many = [post for own in range(1, 6001, 2) for post in (question(own), answer(own + 1, own))]
    posts = write_dump(tmp_path / "Posts.xml", many)
    users = write_dump(tmp_path / "Users.xml", [{"Id": 8, "DisplayName": "Bo"}], "users")
    with py7zr.SevenZipFile(tmp_path / "site.7z", "w") as archive:
        archive.write(posts, "Posts.xml")
        archive.write(users, "Users.xml")
    build(Dump(tmp_path / "site.7z"), tmp_path / "a.jsonl", SITE, Wanted(rows=50))
    build(Dump(posts), tmp_path / "b.jsonl", SITE, Wanted(rows=50))
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()
    whole = (tmp_path / "site.7z").read_bytes()
    (tmp_path / "cut.7z").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"cut\.7z cannot be decompressed"):
        build(Dump(tmp_path / "cut.7z"), tmp_path / "c.jsonl", SITE, Wanted())
    with py7zr.SevenZipFile(tmp_path / "other.7z", "w") as archive:
        archive.write(users, "Users.xml")
    with pytest.raises(DataError, match=r"holds no Posts\.xml \(it holds Users\.xml\)"):
        build(Dump(tmp_path / "other.7z"), tmp_path / "c.jsonl", SITE, Wanted())
    assert not (tmp_path / "c.jsonl").exists()


def test_html_that_is_a_bomb_is_left_out_and_counted(tmp_path):
    deep = "<div>" * 20_000 + "x"
    rows, counts = built(tmp_path, [question(1), answer(2, 1, Body=deep), question(3), answer(4, 3, Body="<p> </p>"), question(5), answer(6, 5)])  # fmt: skip
    assert list(answers_of(rows)) == ["stats-5"]
    assert counts.left_out["HTML that cannot be read"] == 1
    assert counts.left_out["an answer without text"] == 1


DECLARES = (
    '<?xml version="1.0"?>\n<!DOCTYPE posts [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>\n<posts><row Body="&b;"/></posts>'
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('<posts>\n  <row Id="1" PostTypeId="1"', "line 2 of its posts: unclosed token"),
        ('<posts>\n  <row Id="1" PostTypeId="3" />\n', "line 3 of its posts: no element found"),
        ("<users>\n</users>", "holds <users>, and <posts> is wanted"),
        ('{"not": "xml"}', "line 1 of its posts: not well-formed"),
        (DECLARES, "declares an entity 'a'"),
        ("<posts>\n</posts>", "it has no posts"),
        ('<posts>\n<row Id="1" PostTypeId="1" Score="-4" />\n</posts>', "none of its 1 questions has these tags and scores"),
        ('<posts>\n<row Id="1" PostTypeId="1" />\n</posts>', r"none of the 1 wanted questions gives a row \(no such answer: 1\)"),
        ('<posts>\n<row Id="one" PostTypeId="1" />\n</posts>', "line 2 of its posts: a row's number is none .*'one'"),
        ('<posts>\n<row Id="1" PostTypeId="2" />\n</posts>', "line 2 of its posts: a row has no ParentId"),
    ],
)  # fmt: skip
def test_a_dump_that_cannot_be_used_is_said_with_its_line(tmp_path, text, said):
    (tmp_path / "Posts.xml").write_text(text)
    with pytest.raises(DataError, match=said):
        build(Dump(tmp_path / "Posts.xml"), tmp_path / "rows.jsonl", SITE, Wanted())
    assert not (tmp_path / "rows.jsonl").exists()
    assert list(tmp_path.iterdir()) == [tmp_path / "Posts.xml"]


def test_what_is_no_file_or_no_number(tmp_path):
    with pytest.raises(DataError, match=r"none\.xml does not exist"):
        build(Dump(tmp_path / "none.xml"), tmp_path / "rows.jsonl", SITE, Wanted())
    with pytest.raises(HarnessError, match="--rows 0: take at least one"):
        Wanted(rows=0)


@pytest.mark.parametrize("library", ["markdownify", "py7zr"])
def test_a_library_that_is_not_installed_is_named_with_its_extra(tmp_path, monkeypatch, library):
    monkeypatch.setattr(extra, "find_spec", lambda name: None if name == library else object())
    (tmp_path / "site.7z").touch()
    with pytest.raises(HarnessError, match=f"{library} must be installed") as raised:
        build(Dump(tmp_path / "site.7z"), tmp_path / "rows.jsonl", SITE, Wanted())
    assert "extra `build`" in raised.value.remedy


CODE = "<pre><code>def a():\n    ```\n\n\n\n    return 1 &lt; 2\n</code></pre>"


def test_powers_indices_code_and_addresses_are_kept():
    html = f"<p>10<sup>6</sup> of x<sub>1</sub>, see <a href='/q/2'>there</a></p>{CODE}<ul><li>so:{CODE}</li></ul>"
    code = "````\ndef a():\n    ```\n\n\n\n    return 1 < 2\n````"
    inset = code.replace("\n", "\n  ")
    assert as_text(html, "https://a.b/questions/1") == (
        f"10<sup>6</sup> of x<sub>1</sub>, see [there](https://a.b/q/2)\n\n{code}\n\n* so:\n\n  {inset}"
    )


@pytest.mark.parametrize("html", ["<![foo[bar", "<ol start='\u00b2'><li>x</li></ol>", "<div>" * 20_000])
def test_html_that_cannot_be_read_is_none(html):
    assert as_text(html) is None


@pytest.mark.parametrize(
    ("dump", "given", "site"),
    [
        (None, "stats.stackexchange.com", "stats.stackexchange.com"),
        ("math.stackexchange.com.7z", None, "math.stackexchange.com"),
        ("stackoverflow.com-Posts.7z", None, "stackoverflow.com"),
        ("Posts.xml", "a.b", "a.b"),
    ],
)
def test_the_site_is_as_given_or_as_its_archive_is_named(dump, given, site):
    assert site_of(Path(dump) if dump else None, given) == site


@pytest.mark.parametrize(
    ("dump", "given", "said"),
    [
        (None, None, "which site"), ("Posts.xml", None, "which site"), ("own.7z", None, "which site"),
        (None, "https://a.b", "is no host"), (None, "stats", "is no host"),
        ("math.stackexchange.com.7z", "stats.stackexchange.com", "is of math.stackexchange.com"),
    ],
)  # fmt: skip
def test_a_site_that_is_not_known_is_asked_for(dump, given, said):
    with pytest.raises(HarnessError, match=said):
        site_of(Path(dump) if dump else None, given)


def test_a_tag_that_is_none_is_told():
    for tag in ("R", "a;b", "<a>"):
        with pytest.raises(HarnessError, match="that is no tag"):
            Wanted((tag,))


def test_a_damaged_archive_is_one_error_wherever_the_damage_is(tmp_path):
    py7zr = pytest.importorskip("py7zr")
    posts = write_dump(tmp_path / "Posts.xml", [post for own in range(1, 400, 2) for post in (question(own), answer(own + 1, own))])  # fmt: skip
    with py7zr.SevenZipFile(tmp_path / "whole.7z", "w") as archive:
        archive.write(posts, "Posts.xml")
    whole = (tmp_path / "whole.7z").read_bytes()
    for place in range(0, len(whole), max(1, len(whole) // 60)):
        damaged = tmp_path / "damaged.7z"
        damaged.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        try:
            build(Dump(damaged), tmp_path / "rows.jsonl", SITE, Wanted())
        except DataError:
            continue  # else the damage was where it does not matter


def test_users_of_the_largest_site_are_in_an_archive_of_their_own(tmp_path):
    py7zr = pytest.importorskip("py7zr")
    posts = write_dump(tmp_path / "Posts.xml", [question(1), answer(2, 1)])
    users = write_dump(tmp_path / "Users.xml", [{"Id": 8, "DisplayName": "Bo"}], "users")
    for table, file in (("Posts", posts), ("Users", users)):
        with py7zr.SevenZipFile(tmp_path / f"stackoverflow.com-{table}.7z", "w") as archive:
            archive.write(file, file.name)
    build(Dump(tmp_path / "stackoverflow.com-Posts.7z"), tmp_path / "rows.jsonl", "stackoverflow.com", Wanted())
    row = json.loads((tmp_path / "rows.jsonl").read_text())
    assert (row["id"], row["answer_author"]) == ("stackoverflow-1", "Bo (https://stackoverflow.com/users/8)")
