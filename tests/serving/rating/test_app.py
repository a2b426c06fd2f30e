"""The server of the rating page: who is let in, and what it answers to who is not."""

import pytest

pytest.importorskip("starlette")

from starlette.testclient import TestClient

from harness.serving.rating.app import MOST, app
from harness.serving.rating.desk import Desk
from harness.store import Store
from harness.store.ratings import read_ratings
from tests.rating_server import rateable

TOKEN, PORT, URL = "the-token", 8765, "http://127.0.0.1:8765"
JOIN = {"name": "Anna", "secret": "1"}


@pytest.fixture
def client(tmp_path):
    rated = rateable(5)
    return TestClient(
        app(Desk(Store(tmp_path), rated.comparison, rated.items), TOKEN, PORT), base_url=URL, follow_redirects=False
    )


@pytest.fixture
def inside(client):
    client.get(f"/?token={TOKEN}")
    return client


def test_the_token_opens_the_page_and_leaves_the_address(client):
    answer = client.get(f"/?token={TOKEN}")
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    page = client.get("/")
    assert page.status_code == 200
    assert "Which answer is better?" in page.text
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert client.get("/page.js").headers["content-type"].startswith("text/javascript")


@pytest.mark.parametrize("path", ["/", "/page.js", "/?token=guess", "/?token=", "/?token=\u00e4"])
def test_without_it_there_is_nothing(client, path):
    answer = client.get(path)
    assert answer.status_code == 401
    assert "terminal shows" in answer.text
    assert client.post("/api/join", json=JOIN, headers={"Origin": URL}).status_code == 401


@pytest.mark.parametrize(
    "headers", [{}, {"Origin": "http://evil.example"}, {"Origin": "null"}, {"Origin": "http://127.0.0.1:9"}]
)
def test_another_page_cannot_rate(inside, headers):
    assert inside.post("/api/join", json=JOIN, headers=headers).status_code == 403


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8765", "127.0.0.1:9", "127.0.0.1.evil.example:8765"])
def test_another_name_of_this_machine_is_not_answered(inside, host):
    assert inside.get("/", headers={"Host": host}).status_code == 400
    assert inside.get(f"/?token={TOKEN}", headers={"Host": host}).status_code == 401


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b"[" * 100_000, b"{" + b" " * MOST + b"}"])
def test_what_is_no_request_is_refused(inside, body):
    answer = inside.post("/api/join", content=body, headers={"Origin": URL})
    assert (answer.status_code, answer.json()) == (400, {"problem": "that is no request of the page."})


@pytest.mark.parametrize("path", ["/../app.py", "/app.py", "/page.txt", "/%2e%2e/app.py", "/api/join"])
def test_no_other_file_is_served(inside, path):
    assert inside.get(path).status_code in (404, 405)


def test_a_rating_is_kept_and_an_odd_one_is_told(inside, tmp_path):
    state = inside.post("/api/join", json=JOIN, headers={"Origin": URL}).json()
    said = {**JOIN, "comparison": state["comparison"], "sample": state["shown"]["sample"], "again": 0, "value": "same"}
    assert inside.post("/api/rate", json=said, headers={"Origin": URL}).json()["done"] == 1
    for odd in ({"comparison": "old"}, {"sample": {"x": 1}}, {"value": 3}, {"name": ["Anna"]}, {"secret": None}):
        answer = inside.post("/api/rate", json={**said, **odd}, headers={"Origin": URL})
        assert answer.status_code == 409, odd
        assert answer.json()["problem"]
    assert inside.post("/api/nothing", json=said, headers={"Origin": URL}).status_code == 409
    assert [one.value for one in read_ratings(Store(tmp_path))[0].ratings] == ["same"]
