"""Requests by OpenAI's own client, which asks a busy server again; what went wrong, in words."""

from __future__ import annotations

import hashlib
import json
import os
from typing import Any

import openai

from harness.errors import EndpointError
from harness.files import Json

RETRIES = 5  # after as long as the server asks, else after twice as long each time
PATIENCE = 600.0  # seconds; a long answer takes its time
KEY = "OPENAI_API_KEY"


class Client:
    """One server. Safe to use from several threads."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        key = os.environ.get(KEY, "").strip() or "none"  # which servers of one's own take
        if not (key.isascii() and key.isprintable()) or " " in key:
            raise EndpointError(
                f"{KEY} holds characters that no key has.", "Set it anew, without blanks or line breaks."
            )
        self.secret = key
        self.api = openai.OpenAI(base_url=self.url, api_key=key, max_retries=RETRIES, timeout=PATIENCE)

    def post(self, path: str, body: Json, once: bool = False) -> Json:
        """The server's answer. Raises EndpointError, which names the address and gives the server's own words.

        `once`: the request has a key of its own, by which a server may know it when it comes a second time.
        """
        key = hashlib.sha256(json.dumps([path, body], sort_keys=True).encode()).hexdigest()
        options: Any = {"headers": {"Idempotency-Key": key}} if once else {}
        try:
            found = self.api.post(path, body=body, cast_to=object, options=options)
        except openai.APIStatusError as error:
            raise self._refused(path, error) from None
        except openai.APIConnectionError as error:
            why = error.__cause__ or error
            raise EndpointError(
                f"{self.url + path} does not answer ({type(why).__name__}: {why}).",
                "Is the server running, and is its address right? It ends in /v1 as a rule.",
            ) from None
        except (openai.OpenAIError, ValueError) as error:  # ValueError: a body that was cut, and says that it is JSON
            raise EndpointError(f"{self.url + path}: {type(error).__name__}: {error}") from None
        found = _read(found) if isinstance(found, str) else found  # a server that does not say that it is JSON
        if not isinstance(found, dict):
            raise EndpointError(f"{self.url + path} answers no JSON object: {str(found)[:120]!r}.")
        return found

    def _refused(self, path: str, error: openai.APIStatusError) -> EndpointError:
        remedy = {
            401: f"Set {KEY} to a key of that server.",
            403: f"Set {KEY} to a key that may use this model.",
            404: f"Does the address end as the server says (often /v1), and is the model's name in {self.url}/models?",
        }.get(error.status_code, "")
        words = " ".join(error.response.text.split())[:300]
        words = words.replace(self.secret, "***") if self.secret != "none" else words
        return EndpointError(f"{self.url + path} answers {error.status_code}: {words}", remedy, error.status_code)


def _read(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text
