"""Papers of arXiv: from a snapshot in the documented schema, and by its API on loopback."""

import json

import pytest

from harness.data.building import arxiv as module
from harness.data.building.arxiv import POLITE, Papers, Snapshot, Wanted, words_of, write_papers
from harness.data.building.pages import Pages
from harness.errors import DataError, HarnessError
from tests.arxiv_server import Archive, serving
from tests.data.test_stackexchange_api import Clock
from tests.row_files import read, write

pytest.importorskip("requests")

LINE = {
    "id": "0704.0001", "submitter": "P. N", "title": "Designs for\n  small   samples", "categories": "stat.ME math.ST",
    "license": "http://creativecommons.org/licenses/by/4.0/", "abstract": "  We test\nwhen samples are small.\n",
    "versions": [{"version": "v1", "created": "Mon, 2 Apr 2007 19:18:42 GMT"}, {"version": "v2", "created": "Tue, 3 Apr 2007 19:18:42 GMT"}],
    "authors_parsed": [["Balazs", "C.", ""], ["Berger", "E. L.", "Jr"], ["Nadolsky", "P. M.", ""], ["Yuan", "C. P.", "", "MSU"]],
}  # fmt: skip


def papers_of(tmp_path, lines, **wanted):
    snapshot = write(tmp_path / "snapshot.json", lines)
    write_papers(Snapshot(snapshot, Wanted(**wanted)), tmp_path / "papers.jsonl")
    return read(tmp_path / "papers.jsonl")


def test_a_paper_of_the_snapshot_has_its_licence_and_citation(tmp_path):
    assert papers_of(tmp_path, [LINE], categories=("math.ST",)) == [
        {
            "id": "0704.0001",
            "version": "v2",
            "title": "Designs for small samples",
            "abstract": "We test when samples are small.",
            "url": "https://arxiv.org/abs/0704.0001v2",
            "authors": ["C. Balazs", "E. L. Berger Jr", "P. M. Nadolsky", "C. P. Yuan"],
            "categories": ["stat.ME", "math.ST"],
            "year": 2007,
            "licence": "http://creativecommons.org/licenses/by/4.0/",
            "citation": "C. Balazs, E. L. Berger Jr, P. M. Nadolsky et al. (2007). Designs for small samples. arXiv:0704.0001v2",
        }
    ]


def test_categories_and_words_say_which_papers(tmp_path):
    lines = [
        LINE,
        {**LINE, "id": "2", "categories": "stat.AP"},
        {**LINE, "id": "3", "title": "Of whales", "license": None},
    ]

    def ids(**wanted):
        return [paper["id"] for paper in papers_of(tmp_path, lines, **wanted)]

    assert ids(categories=("stat.AP", "stat.ME")) == ["0704.0001", "2", "3"]
    assert ids(categories=("stat.ME",), words=words_of("SMALL whales")) == ["3"]
    assert ids(words=words_of("designs small")) == ["0704.0001", "2"]
    assert ids(words=("small",), rows=1) == ["0704.0001"]
    with pytest.raises(DataError, match="has no such paper"):
        ids(words=("whale",))  # whole words


@pytest.mark.parametrize(
    "bad", ["{", "[]", '"text"', "{}", json.dumps({**LINE, "versions": []}), json.dumps({**LINE, "title": None})]
)
def test_a_line_that_is_no_paper_is_told_and_nothing_is_written(tmp_path, bad):
    with pytest.raises(DataError, match=r"snapshot\.json:2 is no paper of the snapshot") as raised:
        papers_of(tmp_path, json.dumps(LINE) + "\n" + bad, categories=("stat.ME",))
    assert "cut or damaged" in raised.value.remedy
    assert not (tmp_path / "papers.jsonl").exists()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "which papers"),
        ({"categories": ("stat ME",)}, "is no category"),
        ({"words": ("x",), "rows": 0}, "--rows 0"),
    ],
)
def test_what_cannot_be_asked(given, said):
    with pytest.raises(HarnessError, match=said):
        Wanted(**given)


@pytest.fixture
def clock(monkeypatch):
    monkeypatch.setattr(module, "PAGE", 2)
    return Clock(monkeypatch)


PAPERS = [(f"2103.0000{n}", f"Title {n} & more") for n in range(1, 6)]


def fetched(tmp_path, url, **wanted):
    pages = Pages(tmp_path / "pages", POLITE)
    said = []
    asked = Papers(Wanted(**{"categories": ("stat.ME",)} | wanted), pages, url, said.append)
    count = write_papers(asked, tmp_path / "papers.jsonl")
    pages.forget()
    assert said == [f"arXiv has {len(PAPERS)} papers that its search finds"]
    found = read(tmp_path / "papers.jsonl")
    assert len(found) == count
    return found


def test_the_api_is_asked_page_by_page_three_seconds_apart(tmp_path, clock):
    archive = Archive(PAPERS)
    with serving(archive) as url:
        found = fetched(tmp_path, url, categories=("stat.ME", "stat.AP"), words=("of", "title"))
    assert [paper["id"] for paper in found] == [own for own, _ in PAPERS]
    assert found[0] == {
        "id": "2103.00001", "version": "v2", "title": "Title 1 & more",
        "abstract": "An abstract of two lines about Title 1 & more.", "url": "https://arxiv.org/abs/2103.00001v2",
        "authors": ["Ann Author", "Bo Berg"], "categories": ["stat.ME", "math.ST"], "year": 2021, "licence": None,
        "citation": "Ann Author, Bo Berg (2021). Title 1 & more. arXiv:2103.00001v2",
    }  # fmt: skip
    assert [one["start"] for one in archive.asked] == ["0", "2", "4"]
    assert archive.asked[0]["search_query"] == "(cat:stat.ME OR cat:stat.AP) AND (ti:title OR abs:title)"
    assert clock.waited == pytest.approx(2 * POLITE)


def test_no_more_pages_are_asked_for_than_rows_are_wanted(tmp_path, clock):
    archive = Archive(PAPERS)
    with serving(archive) as url:
        assert len(fetched(tmp_path, url, rows=3)) == 3
    assert len(archive.asked) == 2


@pytest.mark.parametrize("failing", ["empty", "none", "503", "cut", "odd"])
def test_a_page_that_fails_or_is_empty_is_asked_for_again(tmp_path, clock, failing):
    archive = Archive(PAPERS)
    archive.failing = [failing, None, failing, failing]
    with serving(archive) as url:
        assert len(fetched(tmp_path, url)) == 5


def test_a_run_that_was_cut_off_goes_on_after_its_last_page(tmp_path, clock):
    archive = Archive(PAPERS)
    archive.failing = [None, "error"]
    with serving(archive) as url:
        with pytest.raises(DataError, match="incorrect id format for 1"):
            fetched(tmp_path, url)
        assert not (tmp_path / "papers.jsonl").exists()
        assert len(fetched(tmp_path, url)) == 5
    assert [one["start"] for one in archive.asked] == ["0", "2", "2", "4"]


def test_the_folder_of_the_output_is_made_and_a_folder_is_no_output(tmp_path):
    snapshot = Snapshot(write(tmp_path / "snapshot.json", [LINE]), Wanted(("stat.ME",)))
    write_papers(snapshot, tmp_path / "deep" / "er" / "papers.jsonl")
    assert len(read(tmp_path / "deep" / "er" / "papers.jsonl")) == 1
    with pytest.raises(DataError, match="is a folder, and a file is to be written"):
        write_papers(snapshot, tmp_path / "deep")


def test_what_the_search_finds_beyond_the_words_is_left_out_and_a_paper_that_moved_is_one_row(tmp_path, clock):
    archive = Archive(PAPERS)
    archive.papers = [*PAPERS[:2], *PAPERS[1:], ("2103.00009", "Other")]
    pages, said = Pages(tmp_path / "pages", POLITE), []
    with serving(archive) as url:
        found = list(Papers(Wanted(words=("title",)), pages, url, said.append))
    assert [paper["id"] for paper in found] == [own for own, _ in PAPERS]


def test_a_number_that_changes_between_pages_is_said(tmp_path, clock):
    archive = Archive(PAPERS)
    said = []
    with serving(archive) as url:
        papers = iter(Papers(Wanted(("stat.ME",)), Pages(tmp_path / "pages"), url, said.append))
        next(papers), next(papers)
        archive.papers = archive.papers[1:]
        assert len(list(papers)) == 2
    assert said[1].startswith("-1 papers since the first page")


def test_more_papers_than_the_api_gives_are_refused_at_once(tmp_path, clock, monkeypatch):
    monkeypatch.setattr(module, "MOST", 4)
    archive = Archive(PAPERS)
    with serving(archive) as url:
        with pytest.raises(DataError, match="arXiv gives 4 of 5 papers"):
            list(Papers(Wanted(("stat.ME",)), Pages(tmp_path / "pages"), url, lambda said: None))
        assert len(archive.asked) == 1
        assert len(list(Papers(Wanted(("stat.ME",), rows=3), Pages(tmp_path / "pages"), url, lambda said: None))) == 5


def test_that_there_is_no_such_paper_is_believed_the_third_time(tmp_path, clock):
    archive = Archive([])
    with serving(archive) as url, pytest.raises(DataError, match="finds no such paper, asked 3 times"):
        list(Papers(Wanted(("stat.ME",)), Pages(tmp_path / "pages"), url, lambda said: None))
    assert len(archive.asked) == 3
    assert not list(tmp_path.glob("pages/*.json"))
