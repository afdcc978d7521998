# srmm: `make demo` and `make test` need Python 3.11 or newer and nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Spinning OpenMP threads collapse where several processes share the cores; nothing may be fetched.
QUIET := OMP_WAIT_POLICY=passive OMP_NUM_THREADS=1 HF_HUB_OFFLINE=1

.DEFAULT_GOAL := help
.PHONY: help install demo test test-all lint types check format docs linkcheck clean

help: ## Show this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12

install: $(STAMP) ## Make the environment .venv with pinned dependencies

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "srmm needs Python 3.11 or newer; try: make $(MAKECMDGOALS) PYTHON=python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

demo: $(STAMP) ## The whole way on real data: encode, train, evaluate; writes demo/report.html
	HF_HUB_OFFLINE=1 $(BIN)/srmm demo

test: $(STAMP) ## Run the tests (README and docstrings too), without those marked slow
	$(QUIET) $(BIN)/python -m pytest -q -m "not slow"

test-all: $(STAMP) ## Run every test
	$(QUIET) $(BIN)/python -m pytest -q

lint: $(STAMP) ## Check style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP) ## Check types
	$(BIN)/mypy

check: lint types test ## Everything that must pass before a commit

format: $(STAMP) ## Reformat and sort imports
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: ## Build the documentation in docs/_build/html (needs `pip install -e '.[docs]'`)
	$(QUIET) $(BIN)/python -m sphinx -W --keep-going -b html docs docs/_build/html

linkcheck: ## Ask for every link of the documentation that leads outside (needs the network)
	$(QUIET) $(BIN)/python -m sphinx -b linkcheck docs docs/_build/linkcheck

clean: ## Remove the environment, caches and what the demo made
	rm -rf $(VENV) demo build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
