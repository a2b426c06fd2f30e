"""A server on loopback that answers as the Stack Exchange API documents, and fails as told."""

import json
from contextlib import contextmanager
from urllib.parse import parse_qs, urlparse

from tests.loopback import answering

LICENCE = "CC BY-SA 4.0"


def question(own, score, tags=("anova",), **more):
    owner = {"user_id": 7, "display_name": "Ann &amp; Co"}
    return {"question_id": own, "score": score, "tags": list(tags), "title": f"Is {own} &lt; 9?", "body": f"<p>Body {own}</p>",
            "owner": owner, "answer_count": 1, "content_license": LICENCE, **more}  # fmt: skip


def answer(own, of, score=1):
    return {"answer_id": own, "question_id": of, "score": score, "body": f"<p>By answer {own}.</p>", "owner": {}, "content_license": LICENCE}  # fmt: skip


class Site:
    """What the server knows, what it was asked, and how its next answers go wrong."""

    def __init__(self, questions, answers, page=2):
        self.questions, self.answers, self.page = questions, answers, page
        self.asked: list[str] = []
        self.failing: list[object] = []  # "502", "cut", "prose", or a wrapper to answer with, one for each request
        self.backoff: dict[str, int] = {}  # by method: seconds that every answer asks to wait
        self.quota = 300

    def reply(self, path, asked):
        """The wrapper object for a request."""
        if asked["site"] != "stats.stackexchange.com":
            return 400, {"error_id": 400, "error_name": "bad_parameter", "error_message": f"No site found for name `{asked['site']}`"}  # fmt: skip
        names = path.removeprefix("/2.3/").split("/")
        if names[-1] == "answers":
            ids = {int(one) for one in names[1].split(";")}
            found = [one for one in self.answers if one["question_id"] in ids]
        else:
            found = [one for one in self.questions if one["score"] >= int(asked.get("min", 0))]
            found = [one for one in found if asked.get("tagged") in (None, *one["tags"])]
        found.sort(key=lambda one: -one["score"])
        start = (int(asked["page"]) - 1) * self.page
        self.quota -= 1
        wrapper = {"items": found[start : start + self.page], "has_more": start + self.page < len(found), "quota_remaining": self.quota, "quota_max": 300}  # fmt: skip
        return 200, wrapper | ({"backoff": self.backoff[names[-1]]} if names[-1] in self.backoff else {})


@contextmanager
def serving(site):
    """The API's address, while it runs."""

    def reply(path):
        site.asked.append(path)
        url = urlparse(path)
        failing = site.failing.pop(0) if site.failing else None
        status, found = site.reply(url.path, {name: one[0] for name, one in parse_qs(url.query).items()})
        if isinstance(failing, dict):
            status, found = 400, failing
        body = json.dumps(found).encode()
        if failing == "502":
            status, body = 502, b"<html>Bad gateway</html>"
        if failing == "prose":
            body = b"<html>We are down for maintenance</html>"
        return status, body, 5 if failing == "cut" else None

    with answering(reply) as address:
        yield f"{address}/2.3"
