# dontmiss: two commands do all the set-up: `make demo` and `make test`. See CONTRIBUTING.md.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SHELL := /bin/bash
# The constraints name every package. Nothing is resolved anew, for pip would look beyond them: for
# `coverage[toml]` it takes the newest release although `coverage` is pinned, and finds no hash for it.
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
.DELETE_ON_ERROR:
.PHONY: demo install develop test test-all test-marathon check docs constraints migration bench build clean

# --- for everybody ---------------------------------------------------------------------------

demo: $(VENV)/.installed  ## the main job on the bundled newsroom, with preview and inbox in the browser
	$(BIN)/digest demo

install: $(VENV)/.installed  ## a virtual environment with the digest command

$(VENV)/.installed: constraints.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) --require-hashes --no-deps -r constraints.txt
	$(PIP) --no-deps --no-build-isolation -e .
	$(BIN)/python -m pip check
	touch $@

# --- for developers --------------------------------------------------------------------------

develop: $(VENV)/.develop  ## the same, with the tools for tests and checks

$(VENV)/.develop: $(VENV)/.installed tests/constraints.txt
	$(PIP) --require-hashes --no-deps -r tests/constraints.txt
	$(BIN)/python -m pip check
	touch $@

test: $(VENV)/.develop  ## the everyday run: under three minutes, no service needed
	$(BIN)/pytest -n 2 --dist loadgroup

test-all: $(VENV)/.develop  ## services, browser, storm and slow ones: needs what .ci/run installs
	$(BIN)/pytest -n 2 --dist loadfile --durations 25 -m "service or browser or storm or slow" $(PYTEST)

test-marathon: $(VENV)/.develop  ## ten simulated years in five zones: a quarter of an hour
	$(BIN)/pytest -n 2 -m marathon

check: $(VENV)/.develop  ## format, lint, types, layers, docs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m digest.cli.reference --check docs/commands.md

docs: $(VENV)/.installed  ## write the command reference anew
	$(BIN)/python -m digest.cli.reference docs/commands.md

bench: $(VENV)/.develop  ## every benchmark; each prints a table
	for file in benchmarks/[a-z]*.py; do echo "== $$file"; $(BIN)/python $$file || exit 1; done

build: $(VENV)/.installed  ## wheel and sdist
	$(BIN)/python -m pip install --quiet build && $(BIN)/python -m build --no-isolation

migration: $(VENV)/.develop  ## make migration m="what changes" rev=0002
	$(BIN)/alembic -c digest/migrations/alembic.ini revision --autogenerate --rev-id $(rev) -m "$(m)"

PIN := pip-compile --quiet --generate-hashes --strip-extras --allow-unsafe --no-header --no-annotate \
       --no-emit-index-url --no-emit-trusted-host --no-emit-find-links
constraints: $(VENV)/.develop  ## pin the newest versions
	$(BIN)/python -m pip install --quiet pip-tools
	printf 'hatchling\neditables\n' > build.in
	$(BIN)/python -c 'import tomllib; groups = tomllib.load(open("pyproject.toml", "rb"))["dependency-groups"]; \
	  print("-c constraints.txt", *sum(groups.values(), []), sep="\n")' > tools.in
	$(BIN)/$(PIN) --upgrade -o constraints.txt pyproject.toml build.in
	$(BIN)/$(PIN) --upgrade -o tests/constraints.txt tools.in
	rm build.in tools.in

clean:
	rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
