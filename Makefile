# Two commands do everything: `make demo` and `make test`. Both need only Python
# 3.11+, git and the package index that pip is configured for.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test test-fast test-faults lint bench bench-accuracy rule-pages clean
.DELETE_ON_ERROR:

demo: $(VENV)/.demo
	$(BIN)/python demo/run.py

test: $(VENV)/.test
	$(BIN)/python tests/servers/install.py
	$(BIN)/python -m pytest --numprocesses=auto --dist=loadfile --no-loadscope-reorder -m "not faults" $(ARGS)

test-fast: $(VENV)/.test  ## without what installs packages or servers
	$(BIN)/python -m pytest -m "not registry and not faults" $(ARGS)

test-faults: $(VENV)/.test  ## every crash point of a rotation; takes a while
	$(BIN)/python tests/servers/install.py
	$(BIN)/python -m pytest -m faults tests/rotate $(ARGS)

lint: $(VENV)/.lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.bench
	$(BIN)/python bench/run.py $(ARGS)

bench-accuracy: $(VENV)/.bench
	$(BIN)/python bench/accuracy.py $(ARGS)

$(VENV)/.pip:
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "leakguard needs Python 3.11 or newer: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	touch $@

$(VENV)/.run: $(VENV)/.pip pyproject.toml
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/.demo: $(VENV)/.run
	$(BIN)/python -m pip install --quiet 'psycopg[binary]>=3.2'
	touch $@

$(VENV)/.test: $(VENV)/.run
	$(BIN)/python -m pip install --quiet --editable '.[rotate]' --group test
	touch $@

$(VENV)/.lint: $(VENV)/.test
	$(BIN)/python -m pip install --quiet --group lint
	touch $@

$(VENV)/.bench: $(VENV)/.run
	$(BIN)/python -m pip install --quiet --group bench
	touch $@

rule-pages: $(VENV)/.run  ## docs/rules/ from the rules
	$(BIN)/python docs/rule_pages.py

clean:
	rm -rf $(VENV) build dist
