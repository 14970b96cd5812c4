PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
STAMP := $(VENV)/.installed
DOCS_STAMP := $(VENV)/.installed-docs

.PHONY: demo test test-fast lint docs wheels benchmark clean

demo: $(STAMP)
	$(RUN) -m eigenstep demo --overwrite

# A worker for each core, a file of tests at a time.
PARALLEL := --numprocesses auto --dist loadfile

test: $(STAMP)
	OMP_NUM_THREADS=1 $(RUN) -m pytest $(PARALLEL)

# What a change in the middle of things is checked by: all but what trains for long, opens browsers or processes.
test-fast: $(STAMP)
	OMP_NUM_THREADS=1 $(RUN) -m pytest $(PARALLEL) -m 'not slow'

lint: $(STAMP)
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy

# The site, into site/: open site/index.html. A warning or a dead link is an error.
docs: $(DOCS_STAMP)
	NO_MKDOCS_2_WARNING=1 $(RUN) -m mkdocs build --quiet

# The sdist and the wheel, into dist/, tried in empty environments of every Python that is found.
TRAIN ?= all
wheels:
	$(PYTHON) tools/try_wheels.py --train $(TRAIN) --out dist

benchmark: $(STAMP)
	$(RUN) -m pip install --quiet -e '.[benchmark]'
	for script in benchmarks/*.py; do $(RUN) $$script || exit 1; done

$(STAMP): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Eigenstep needs Python 3.11 or later; set PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --upgrade pip
	$(RUN) -m pip install -e '.[test]'
	touch $(STAMP)

$(DOCS_STAMP): $(STAMP)
	$(RUN) -m pip install -e '.[docs]'
	touch $(DOCS_STAMP)

clean:
	rm -rf $(VENV) build dist site .pytest_cache .mypy_cache .ruff_cache
