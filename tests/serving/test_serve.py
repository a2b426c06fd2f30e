"""`harness serve`: a real server on loopback, asked by OpenAI's own client."""

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("torch")
openai = pytest.importorskip("openai")

from harness.models.answering.engine import Engine
from tests.projects import environment, run_harness
from tests.trained import places, trained_project

QUESTION = "Why do leaves fall?"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return trained_project(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def server(root, tmp_path_factory):
    """A server on a free port, ended after the last test by its process id."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = tmp_path_factory.mktemp("serve") / "log"
    (root / "plain-mini").mkdir()  # a folder of the model's name where the user stands: not what is served
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "harness", "serve", "plain", "--port", str(port)],
            cwd=root, env=environment(), stdout=file, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
    client = openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="none", max_retries=0)
    try:
        for _ in range(480):
            assert process.poll() is None, log.read_text()
            try:
                client.models.list()
                break
            except openai.APIConnectionError:
                time.sleep(0.25)
        yield SimpleNamespace(client=client, port=port, log=log)
    finally:
        client.close()
        process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def test_the_url_and_the_model_name_are_told_first(server):
    assert f"plain-mini: http://127.0.0.1:{server.port}/v1 (model: plain-mini)" in server.log.read_text()
    assert [model.id for model in server.client.models.list()] == ["plain-mini"]


def test_a_client_gets_the_answer_that_a_suite_would_get(root, server):
    asked = server.client.chat.completions.create(
        model="plain-mini", messages=[{"role": "user", "content": QUESTION}], max_tokens=8, temperature=0
    )
    engine = Engine(places(root)["plain"], "cpu", "float32")
    ids = engine.prompt_ids(QUESTION, None)
    [expected] = engine.generate(["q"], [ids], max_new_tokens=8)
    assert asked.choices[0].message.content.strip() == expected["completion"]
    assert asked.usage.prompt_tokens == len(ids)


def test_no_other_model_is_served(server):
    with pytest.raises(openai.BadRequestError) as refused:
        server.client.chat.completions.create(model="other-mini", messages=[{"role": "user", "content": "Hi."}])
    assert "pinned to 'plain-mini'; requested 'other-mini'" in refused.value.response.text


def test_the_copy_is_kept_under_the_fingerprint(root, server):
    fingerprint = Path(places(root)["plain"].adapter.path).name
    copies = list((root / ".bench" / "exports" / fingerprint).rglob("model.safetensors"))
    assert len(copies) == 1
    assert "writing a standalone copy" in server.log.read_text()


def test_a_port_in_use_is_one_clear_error(root, server):
    found = run_harness(root, "serve", "plain", "--port", str(server.port))
    assert found.returncode == 2
    assert f"--port {server.port}: cannot listen on 127.0.0.1 (Address already in use)." in found.stderr
    assert "Choose another --port." in found.stderr
    assert "Traceback" not in found.stderr


def test_a_checkpoint_that_is_missing_is_told_as_elsewhere(root):
    found = run_harness(root, "serve", "other-mini")
    assert found.returncode == 2
    assert found.stderr.startswith("CheckpointMissing: other-mini has no checkpoint ")
