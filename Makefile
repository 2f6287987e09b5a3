# Everything a newcomer types. Each target sets up what it needs on a fresh machine.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
ENGINES := $(VENV)/.engines

# Tests that need a cluster: UNSLOW_TEST_KUBECONFIG, and what CONTRIBUTING.md says. Without one they say so when they skip.
CLUSTER_TESTS := tests/kube tests/deploy tests/runbook tests/collect/test_cluster*.py tests/collect/test_prom*.py \
	tests/lab/test_cluster.py tests/test_completion.py

.PHONY: setup engines test test-cluster check demo bench matrix

setup: $(READY)

$(READY): requirements/dev.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $(READY)

# The other engines of the span queries: large, and only needed to hold them equal.
engines: $(ENGINES)

$(ENGINES): requirements/engines.txt $(READY)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/engines.txt
	touch $(ENGINES)

demo: setup
	$(BIN)/unslow demo

test: check engines
	$(BIN)/pytest

test-cluster: setup
	$(BIN)/pytest $(CLUSTER_TESTS)

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: setup
	$(BIN)/python benchmarks/start_up/compare
	$(BIN)/python benchmarks/overhead/compare
	$(BIN)/python benchmarks/loadtest/compare
	$(BIN)/python benchmarks/slow_logs/compare

matrix: setup
	$(BIN)/python benchmarks/matrix/run
