"""A server on loopback that answers as arXiv's API documents, and fails as told."""

from contextlib import contextmanager
from urllib.parse import parse_qs, urlparse
from xml.sax.saxutils import escape

from tests.loopback import answering

FEED = """<?xml version="1.0" encoding="UTF-8"?>
<feed xmlns="http://www.w3.org/2005/Atom">
  <title>ArXiv Query</title>
  <opensearch:totalResults xmlns:opensearch="http://a9.com/-/spec/opensearch/1.1/">{total}</opensearch:totalResults>
{entries}
</feed>"""
ENTRY = """  <entry>
    <id>http://arxiv.org/abs/{id}v2</id>
    <published>2021-03-0{day}T12:00:00Z</published>
    <title>{title}</title>
    <summary>  An abstract
  of two lines about {title}.  </summary>
    <author><name>Ann Author</name></author><author><name>Bo Berg</name></author>
    <category term="stat.ME" scheme="http://arxiv.org/schemas/atom"/><category term="math.ST"/>
  </entry>"""
ERROR = """  <entry>
    <id>http://arxiv.org/api/errors#incorrect_id_format</id><title>Error</title><summary>incorrect id format for 1</summary>
  </entry>"""


def entries(papers):
    return "\n".join(ENTRY.format(id=own, day=own[-1], title=escape(title)) for own, title in papers)


class Archive:
    """What the server knows, what it was asked, and how its next answers go wrong.

    "empty" is a page without papers, "none" one that says there are none at all, both of which arXiv gives at times; "odd" has
    papers without what every paper has.
    """

    def __init__(self, papers):
        self.papers = papers
        self.asked = []
        self.failing = []

    def reply(self, asked):
        start, most = int(asked["start"]), int(asked["max_results"])
        return FEED.format(total=len(self.papers), entries=entries(self.papers[start : start + most]))


@contextmanager
def serving(archive):
    """The API's address, while it runs."""

    def reply(path):
        asked = {name: one[0] for name, one in parse_qs(urlparse(path).query).items()}
        archive.asked.append(asked)
        failing = archive.failing.pop(0) if archive.failing else None
        body = archive.reply(asked).encode()
        if failing in ("empty", "none", "error", "odd"):
            total = 0 if failing == "none" else len(archive.papers)
            told = {"error": ERROR, "odd": "<entry><id>http://arxiv.org/abs/</id></entry>" * 2}.get(failing, "")
            body = FEED.format(total=total, entries=told).encode()
        return 503 if failing == "503" else 200, body, 200 if failing == "cut" else None

    with answering(reply) as address:
        yield f"{address}/api/query"
