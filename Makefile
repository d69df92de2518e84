# Everything works on a fresh clone with nothing but Python 3.11+ and make. `make help` lists the targets.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Examples that `make parity` draws.
N ?= 100000
# Seconds that `make schemathesis` takes for each door.
SECONDS ?= 600
# How many processes `make test` runs in; auto is one a processor.
PROCESSES ?= auto
# Handed to pytest by `make test`: make test ARGS="-k lifespan -x"
ARGS ?=

PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help run test test-all check format parity schemathesis bench docs clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

run: $(VENV)/.run ## one example app, the same object, under gunicorn (port 8000) and uvicorn (port 8001)
	@$(BIN)/python examples/hello/run.py

test: $(VENV)/.dev ## the whole suite, with branch coverage
	$(BIN)/python -m pytest --cov -n $(PROCESSES) --dist loadfile $(ARGS)

test-all: ## the suite on every CPython from 3.11 up, under uvloop, -O, -X dev, asyncio debug and -W error
	@PYTHON=$(PYTHON) .ci/test-all

check: $(VENV)/.dev ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.dev ## put the code into shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

parity: $(VENV)/.dev ## compare the two doors over N random requests: make parity N=1000000
	$(BIN)/python -m tests.parity $(N)

schemathesis: $(VENV)/.dev ## look for faults in the service of examples/fastapi_like: make schemathesis SECONDS=60
	SCHEMATHESIS_SECONDS=$(SECONDS) $(BIN)/python -m pytest -q examples/fastapi_like/tests/test_schemathesis.py

bench: $(VENV)/.dev ## every benchmarks/bench_*.py
	@set -e; for bench in $(sort $(wildcard benchmarks/bench_*.py)); do echo "== $$bench"; $(BIN)/python $$bench; done

docs: $(VENV)/.dev ## the documentation, into site/
	$(BIN)/mkdocs build --quiet --strict
	@echo "open site/index.html"

clean: ## away with everything the targets above made
	rm -rf .venv .venv-* site build dist htmlcov .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The environment. pip before 25.1 knows no dependency groups, so pip itself comes first.
$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "duoframe needs Python 3.11 or newer; say which: make PYTHON=python3.13 $(MAKECMDGOALS)" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --upgrade 'pip>=25.1'
	@touch $@

$(VENV)/.run: $(VENV)/.made pyproject.toml
	$(PIP) install --editable . --group run
	@touch $@

$(VENV)/.dev: $(VENV)/.made pyproject.toml
	$(PIP) install --editable . --group test --group lint --group docs
	$(PIP) install --no-deps 'httpbin>=0.10.2'
	@touch $(VENV)/.run $@
