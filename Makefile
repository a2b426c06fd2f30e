# `make demo` and `make test` make the environment first, when it is missing or older than its lists.

PYTHON ?= python3
BIN := .venv/bin
export HF_HUB_OFFLINE ?= 1

.PHONY: demo test clean

.venv/made: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

# Trains, measures, judges and reports: the claims of two recipes, and what those need. A claim that fails is printed
# and is a result; anything else that fails, fails the demo.
demo: .venv/made
	$(BIN)/python -m pytest suites/ -m gate -k "wiki_only or with_kilt" || { [ $$? -eq 1 ] && $(BIN)/harness report --check; }

# A test that hangs says where, and ends its process; and where a process ends, so does the run: pytest-xdist would wait for
# its tests for ever. What starts clusters stands apart, so that nothing of Ray is left in a process of other tests.
HANGS := -o faulthandler_timeout=900 -o faulthandler_exit_on_timeout=true --max-worker-restart 0
CLUSTERS := tests/jobs/test_ray.py tests/session/test_ray_cluster.py

test: .venv/made
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n 2 --dist loadfile --durations 20 $(HANGS) $(CLUSTERS:%=--ignore=%)
	for file in $(CLUSTERS); do $(BIN)/python -m pytest $$file $(HANGS) || exit 1; done

clean:
	rm -rf .venv .bench
