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

# A test that hangs says where, and ends its process, and with a process that ends the run does: pytest-xdist would wait for
# its tests for ever. A session of a project may take longer.
HANGS := -o faulthandler_timeout=900 -o faulthandler_exit_on_timeout=true --max-worker-restart 0

test: .venv/made
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n 2 --dist loadfile --durations 20 $(HANGS)

clean:
	rm -rf .venv .bench
