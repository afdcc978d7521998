# srmm: `make demo` and `make test` need Python 3.11 or newer and nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Spinning OpenMP threads collapse where several processes share the cores; nothing may be fetched.
QUIET := OMP_WAIT_POLICY=passive OMP_NUM_THREADS=1 HF_HUB_OFFLINE=1
# As the command has them.
ALONE := OMP_WAIT_POLICY=passive MALLOC_MMAP_THRESHOLD_=8388608 MALLOC_TRIM_THRESHOLD_=134217728 HF_HUB_OFFLINE=1
CACHES := .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

.DEFAULT_GOAL := help
MEASURED := benchmarks/measured
LARGE := $(VENV)/bench

.PHONY: help install demo test test-all torture fuzz bench bench-full lint types check format docs linkcheck clean distclean

help: ## Show this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12

install: $(STAMP) ## Make the environment .venv with pinned dependencies

# pip brings PyTorch, which it may have on disk; uv brings all else, in a quarter of pip's time.
# Bytecode is made here: tests start Python some hundred times, and write none (tests/conftest.py).
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "srmm needs Python 3.11 or newer; try: make $(MAKECMDGOALS) PYTHON=python3.11" >&2; exit 1; }
	@echo "Installing srmm and the packages it is tested with (PyTorch, transformers, encoders with their"
	@echo "weights, data sets) into $(VENV): once, a few minutes on a fast line. PyTorch is the largest of them."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt uv torch
	$(BIN)/uv pip install --compile-bytecode --python $(BIN)/python -c constraints.txt -e '.[dev]'
	$(BIN)/python -m compileall -q src
	@touch $@

demo: $(STAMP) ## The whole way on real data: encode, train, evaluate; writes demo/report.html
	HF_HUB_OFFLINE=1 $(BIN)/srmm demo

# Files in their order: by number of tests, which is pytest-xdist's, the long few would come last.
test: $(STAMP) ## Run the unit tests, README and docstrings, in two processes
	$(QUIET) $(BIN)/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder -m "not slow and not workflow"

test-all: $(STAMP) ## Run every test, in two processes
	$(QUIET) $(BIN)/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder

fuzz: $(STAMP) ## Give every reader damaged bytes for four minutes (SECONDS=… for longer)
	$(QUIET) $(BIN)/python -m tests.fuzzing --seconds $(or $(SECONDS),240) 2>$(VENV)/fuzz.log || \
		{ echo "what was complained of last (all of it: $(VENV)/fuzz.log):"; tail -20 $(VENV)/fuzz.log; exit 1; }

torture: $(STAMP) ## Kill, fill, damage and race everything: fifteen minutes, see docs/reliability.md
	$(QUIET) $(BIN)/python -m tests.torture

# Speed is measured with all cores, each script into a file of its own, of which performance.py makes
# docs/performance.md. Run them on a machine that does nothing else.
bench: $(STAMP) ## Measure speed: training, prediction, serving, in minutes; writes docs/performance.md
	@for name in training prediction serve; do \
		$(ALONE) $(BIN)/python benchmarks/$$name.py --json $(MEASURED)/$$name.json || exit 1; done
	$(ALONE) OMP_NUM_THREADS=1 $(BIN)/python benchmarks/training.py --part steps \
		--json $(MEASURED)/training_one_thread.json
	$(BIN)/python benchmarks/performance.py $(MEASURED)

bench-full: bench ## The same, how time grows, many rows in batches, a large store (hours; 30 GB)
	$(ALONE) $(BIN)/python benchmarks/growth.py --json $(VENV)/growth.json
	mv $(VENV)/growth.json $(MEASURED)
	$(ALONE) $(BIN)/python benchmarks/prediction.py --many-classes --json $(MEASURED)/classes.json
	$(ALONE) $(BIN)/python benchmarks/batch.py $(LARGE)/batch --json $(MEASURED)/batch.json
	$(ALONE) $(BIN)/python benchmarks/larger_than_memory.py $(LARGE)/large \
		--json $(MEASURED)/larger_than_memory.json
	rm -rf $(LARGE)
	$(BIN)/python benchmarks/performance.py $(MEASURED)

lint: $(STAMP) ## Check style, and who imports whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo

types: $(STAMP) ## Check types
	$(BIN)/mypy --num-workers 2

check: lint types test-all ## Everything that must pass before a change lands, as CI runs it

format: $(STAMP) ## Reformat and sort imports
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(STAMP) ## Build the documentation in docs/_build/html
	$(BIN)/uv pip install -q --python $(BIN)/python -c constraints.txt -e '.[docs]'
	$(QUIET) $(BIN)/python -m sphinx -W --keep-going -b html docs docs/_build/html

linkcheck: ## Ask for every link of the documentation that leads outside (needs the network)
	$(QUIET) $(BIN)/python -m sphinx -b linkcheck docs docs/_build/linkcheck

clean: ## Remove caches and build output; models, reports and the environment stay
	rm -rf build dist docs/_build docs/_made $(CACHES)
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean ## Remove the environment .venv, too
	rm -rf $(VENV)
