# One set of commands for people and for CI. Everything is installed into .venv from the hashed lock; what needs torch
# has an environment of its own, .venv-local.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOCAL := .venv-local
PIP := python -m pip install --quiet --disable-pip-version-check
LOCKED := $(PIP) --require-hashes --no-deps
RIGHT_PYTHON = $(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
  || { echo "Crucible needs Python 3.11 to 3.13; this is $$($(PYTHON) --version). Try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }

.PHONY: demo test test-local setup check fix bench clean

demo: setup  ## Run the main experiment and say where its report is.
	$(BIN)/crucible run config/experiments/claims.toml

test: setup  ## Run the test suite.
	$(BIN)/pytest -q

test-local: $(LOCAL)/.installed  ## Run the tests that need torch.
	OMP_NUM_THREADS=1 $(LOCAL)/bin/python -m pytest -q -rs -m torch

setup: $(VENV)/.installed

$(VENV)/.installed: requirements.lock pyproject.toml
	@$(RIGHT_PYTHON)
	@echo "First time here: setting up $(VENV) with $$($(PYTHON) --version)."
	@$(PYTHON) -m venv $(VENV)
	@echo "Fetching the $$(grep -c '==' requirements.lock) packages of requirements.lock; this takes a minute or two and says nothing."
	@$(BIN)/$(LOCKED) -r requirements.lock
	@$(BIN)/python -m pip check --disable-pip-version-check
	@$(BIN)/$(PIP) --no-build-isolation --no-deps -e .
	@touch $@
	@echo "Set up. It is done anew only when requirements.lock or pyproject.toml changes."

$(LOCAL)/.installed: $(wildcard requirements*.lock) pyproject.toml
	@$(RIGHT_PYTHON)
	@echo "Setting up $(LOCAL) with $$($(PYTHON) --version): torch and a small model besides the rest."
	@$(PYTHON) -m venv $(LOCAL)
	@$(LOCAL)/bin/$(LOCKED) -r requirements.lock -r requirements-local.lock
	@$(LOCAL)/bin/$(LOCKED) -r requirements-torch-cpu.lock 2>/dev/null || { \
	  echo "pip finds no CPU build of torch here: fetching the one with CUDA's libraries, some 2.5 GB."; \
	  $(LOCAL)/bin/$(LOCKED) -r requirements-torch.lock; }
	@$(LOCAL)/bin/$(PIP) --no-build-isolation --no-deps -e .
	@$(LOCAL)/bin/python -c 'import torch; print("torch", torch.__version__)'
	@touch $@

check: setup  ## Lint, format check, types, layers, dependencies.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry .

fix: setup  ## Mend what can be mended by itself.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup  ## Measure: runtime against its peers, engine overhead, memory, start-up.
	$(BIN)/python tests/benchmarks/runtime.py
	$(BIN)/python tests/benchmarks/engine.py

clean:
	rm -rf $(VENV) $(LOCAL) runs dist
