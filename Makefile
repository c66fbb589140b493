# `make demo` and `make test` are all that a fresh machine with Python 3.11 or newer needs.

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# The first Python that is new enough; `make PYTHON=/path/to/python3 …` decides otherwise.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; \
	done)

# How many processes run the tests side by side.
JOBS ?= 2

.PHONY: help demo test slow explore bench lint keys pictures clean

help:
	@echo "make demo    run the built-in example: run, suspend, resume, replay"
	@echo "make test    run the tests (a few minutes)"
	@echo "make slow    run the tests that take longer"
	@echo "make explore run the property tests with examples never drawn before"
	@echo "make bench   measure"
	@echo "make lint    ruff, mypy, import-linter"
	@echo "make keys    write docs/keys.md from the table of actions"
	@echo "make pictures  draw docs/pictures from a recording of the demo"
	@echo "make clean   remove the virtual environment and all caches"

$(STAMP): pyproject.toml
	@test -n "$(PYTHON)" || { \
		echo "Respell needs Python 3.11 or newer, and none was found on the PATH."; \
		echo "Install one, or name it: make PYTHON=/path/to/python3 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Respell needs Python 3.11 or newer; $(PYTHON) is older."; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) can't make virtual environments here."; \
		echo "On Debian and Ubuntu: sudo apt-get install python3-venv"; exit 1; }
	@echo "setting up $(VENV) (once; takes a minute) …"
	@$(BIN)/python -c '' 2>/dev/null || $(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e . --group dev
	@touch $@

demo: $(STAMP)
	@$(BIN)/respell --store .demo demo

test: $(STAMP)
	$(BIN)/python -m pytest -m "not slow" -n $(JOBS) --dist loadfile

slow: $(STAMP)
	$(BIN)/python -m pytest -m slow --hypothesis-profile=explore

explore: $(STAMP)
	$(BIN)/python -m pytest -m "not slow" -n $(JOBS) --dist loadfile --hypothesis-profile=explore \
		$$(grep -rlE "^(from|import) hypothesis" tests --include="test_*.py")

bench: $(STAMP)
	PYTHONPATH=tests $(BIN)/python -m benchmarks $(PARTS)

lint: $(STAMP)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

keys: $(STAMP)
	$(BIN)/python -m respell_tui.actions.page > docs/keys.md

pictures: $(STAMP)
	PYTHONPATH=tests $(BIN)/python -m pictures

clean:
	rm -rf $(VENV) .demo build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis \
		.import_linter_cache
	find core tui tests -name __pycache__ -type d -prune -exec rm -rf {} +
