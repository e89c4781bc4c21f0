# One set of commands for people and for CI. Everything is installed into .venv from the hashed lock.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test setup check fix bench clean

demo: setup  ## Run the main experiment and say where its report is.
	$(BIN)/crucible run config/experiments/claims.toml

test: setup  ## Run the test suite.
	$(BIN)/pytest -q

setup: $(VENV)/.installed

$(VENV)/.installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
	  || { echo "Crucible needs Python 3.11 to 3.13; this is $$($(PYTHON) --version). Try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@echo "First time here: setting up $(VENV) with $$($(PYTHON) --version)."
	@$(PYTHON) -m venv $(VENV)
	@echo "Fetching the $$(grep -c '==' requirements.lock) packages of requirements.lock; this takes a minute or two and says nothing."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
	@$(BIN)/python -m pip check --disable-pip-version-check
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@
	@echo "Set up. It is done anew only when requirements.lock or pyproject.toml changes."

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
	rm -rf $(VENV) runs dist
