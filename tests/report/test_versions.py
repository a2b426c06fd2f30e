"""Which library versions a result was made under: told by minor version, and processors are none."""

from harness.report.versions import differing


def test_another_minor_version_is_told_and_a_patch_or_a_processor_is_not():
    then = {
        "torch": "2.12.0+cpu",
        "peft": "0.21.1",
        "processor": "11th Gen Intel(R) Core(TM) i7 @ 3.00GHz",
        "threads": 2,
    }
    now = {
        "torch": "2.13.0+cpu",
        "peft": "0.21.2",
        "processor": "12th Gen Intel(R) Core(TM) i7 @ 2.80GHz",
        "threads": 4,
    }
    assert differing(then, now) == ["torch 2.12.0+cpu then, 2.13.0+cpu now"]
