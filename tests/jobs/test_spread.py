"""What several devices take from one job: everything once, in ever smaller parts, and what an error ended again."""

import threading
import time
from contextlib import suppress

import pytest

from harness.jobs.spread import Spread


def test_one_device_takes_all_at_once():
    spread = Spread(list("abcde"), 1)
    assert not spread.can_be_helped
    assert not spread.begin_to_help()
    assert list(spread.until_done()) == [list("abcde")]


def test_parts_get_smaller_so_that_all_end_at_about_the_same_time():
    spread = Spread(list(range(12)), 2)
    assert [len(part) for part in spread.until_done()] == [3, 3, 2, 1, 1, 1, 1]


def test_no_more_help_than_there_are_devices_and_only_where_something_is_left():
    spread = Spread(list(range(9)), 3)
    assert [spread.begin_to_help() for _ in range(3)] == [True, True, False]
    assert not Spread([1], 3).begin_to_help()
    assert not Spread([], 3).begin_to_help()


def test_everything_is_done_once_by_whoever_comes():
    spread, done, lock = Spread(list(range(200)), 4), [], threading.Lock()

    def do(parts):
        for part in parts:
            with lock:
                done.extend(part)

    def help():
        if spread.begin_to_help():
            with spread.helping(lambda: False) as parts:
                do(parts)

    threads = [threading.Thread(target=help) for _ in range(6)]
    for thread in threads:
        thread.start()
    do(spread.until_done())
    for thread in threads:
        thread.join()
    assert sorted(done) == list(range(200))


def test_what_a_helper_could_not_do_comes_back_to_the_first_who_waits_for_it():
    spread, helping, done = Spread(list("abcdefgh"), 2), threading.Event(), []
    assert spread.begin_to_help()

    def help():
        with suppress(RuntimeError), spread.helping(lambda: False) as parts:
            assert len(next(parts)) == 2
            helping.set()
            raise RuntimeError("its device is gone")

    thread = threading.Thread(target=help)
    thread.start()
    assert helping.wait(10)
    for part in spread.until_done():
        done += part
    thread.join()
    assert sorted(done) == list("abcdefgh")


def test_a_helper_that_is_wanted_elsewhere_leaves_the_rest():
    spread = Spread(list("abcdefgh"), 2)
    assert spread.begin_to_help()
    with spread.helping(lambda: len(spread.left) < 7) as parts:
        assert list(parts) == [["a", "b"]]
    assert [one for part in spread.until_done() for one in part] == list("cdefgh")


def test_a_helper_that_never_got_its_device_is_not_waited_for():
    spread = Spread(list("abcd"), 2)
    assert spread.begin_to_help()
    with pytest.raises(RuntimeError), spread.helping(lambda: False):
        raise RuntimeError("no place")
    assert [one for part in spread.until_done() for one in part] == list("abcd")


def test_one_that_is_closed_gives_nothing_more_and_waits_for_who_helps():
    spread, began, ended = Spread(list("abcdefgh"), 2), threading.Event(), []
    assert spread.begin_to_help()

    def help():
        with suppress(RuntimeError), spread.helping(lambda: False) as parts:
            for part in parts:
                began.set()
                time.sleep(0.1)
                ended.extend(part)
                raise RuntimeError("its device is gone")

    thread = threading.Thread(target=help)
    thread.start()
    assert began.wait(10)
    spread.close()
    assert ended == ["a", "b"]
    assert spread.left == []
    assert not spread.begin_to_help()
    assert list(spread.until_done()) == []
    thread.join()
