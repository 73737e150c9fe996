# Everything starts from a Python >= 3.11 and this file: `make demo`, `make test`.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
SERVE  ?= 1
PORT   ?= 4747
TESTS  ?= tests

# Every process that a test starts would compile the whole of Flightlog again: 0.8 s of CPU for each server.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo test torture lint format types docs pictures bench schema lock clean

help:  ## This list.
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(VENV)/.ready  ## A virtual environment with what the lock file names.

$(VENV)/.ready: requirements.lock pyproject.toml src/flightlog/version.py
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Flightlog needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 ...")'
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: setup  ## Fly a small real agent, show what was recorded, serve the console (SERVE=0: don't).
	$(BIN)/flightlog demo --dir demo-flight --port $(PORT) $(if $(filter 0,$(SERVE)),--no-serve,--serve)

test: setup  ## All tests, with a sample of every crash campaign.
	$(BIN)/python -m pytest -n auto --dist loadgroup -m "not torture" $(TESTS)

torture: setup  ## The long crash campaigns, and many more examples for what has to hold for any input.
	$(BIN)/python -m pytest -m torture --timeout 3600 $(TESTS)
	$(BIN)/python -m pytest -n auto --dist loadgroup -m "hypothesis and not torture" --hypothesis-profile torture --timeout 3600 $(TESTS)

lint: setup  ## ruff.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: setup  ## Let ruff put the code in shape.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: setup  ## mypy, strict.
	$(BIN)/mypy

docs: setup  ## Check that every verb, setting, code and event type is documented, and that the examples in the docs run.
	$(BIN)/python -m pytest tests/house

pictures: setup  ## The pictures of the docs, taken anew from a real browser.
	FLIGHTLOG_TEST_PICTURES=docs/pictures $(BIN)/python -m pytest -q tests/browser/test_every_page.py

bench: setup  ## Every bench, one table each (BENCH=emit: one of them).
	@for file in $(if $(BENCH),bench/$(BENCH).py,$(wildcard bench/*.py)); do echo; echo "== $$file"; $(BIN)/python $$file || exit 1; done

schema: setup  ## Write the schema of new stores anew, after a migration was added.
	$(BIN)/python -m flightlog.store.migrations.write_schema

lock: setup  ## Write requirements.lock anew from pyproject.toml (needs uv).
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --extra dev \
	    --group build -o requirements.lock pyproject.toml

clean:  ## Remove what these commands made.
	rm -rf $(VENV) demo-flight dist build .mypy_cache .ruff_cache
