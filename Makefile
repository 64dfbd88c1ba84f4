# Every target works in a fresh checkout: it first installs its packages into .venv, and marks them there as installed.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
# Tests start a hundred processes; without bytecode each compiles the same files.
unexport PYTHONDONTWRITEBYTECODE

# pip keeps what it builds under HOME, and fails there if that is read-only.
ifneq ($(shell test -w "$$HOME" && echo writable),writable)
export PIP_NO_CACHE_DIR := 1
endif

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
# Two workers, since each holds TensorFlow in memory. All tests of a file run in one worker, so its fixtures are made once.
# tests/conftest.py chooses the order of the files.
PYTEST_ARGS ?= -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: demo gallery gallery-full server test test-quick test-full test-faults postgresql browser rules reference docs printed notebooks house same-numbers lint format lock audit wheel wheelhouse clean help

demo: $(VENV)/installed ## install, compare three optimizers on the bundled data set, and write the page
	$(BIN)/study run -m optimizer=sgd,momentum,adam
	$(BIN)/study compare digits-mlp | tail -n 1

server: $(VENV)/installed-distributed ## start PostgreSQL and MLflow here for trying storage=server (needs Debian's postgresql)
	$(BIN)/python .ci/server

EXPERIMENTS := $(sort $(notdir $(basename $(wildcard conf/experiment/*.yaml))))
gallery: $(VENV)/installed ## run every published comparison at a size for two cores (1.5 hours, up to 4 where they are busy), and write docs/gallery
	for name in $(EXPERIMENTS); do \
	  if [ -f conf/budget/gallery/$$name.yaml ]; then budget=gallery/$$name; else budget=published/$$name; fi; \
	  $(BIN)/study run -m experiment=$$name budget=$$budget || echo "$$name ended with status $$?" >&2; \
	done
	$(BIN)/study gallery --output docs/gallery

gallery-full: $(VENV)/installed ## run every published comparison at its published size (many hours), and write docs/gallery
	for name in $(EXPERIMENTS); do \
	  $(BIN)/study run -m experiment=$$name || echo "$$name ended with status $$?" >&2; \
	done
	$(BIN)/study gallery --output docs/gallery

test: $(VENV)/installed-dev ## install what the tests need, then run them
	$(BIN)/python -m pytest -q $(PYTEST_ARGS)

test-quick: $(VENV)/installed-dev ## run the tests that a change most likely breaks, in ten minutes
	$(BIN)/python -m pytest -q $(PYTEST_ARGS) -m "not (slow or full or faults or gallery or gpu or browser)"

test-full: $(VENV)/installed-dev ## run the further cases of the longest tests (half an hour)
	$(BIN)/python -m pytest -q $(PYTEST_ARGS) -m full

test-faults: $(VENV)/installed-dev ## kill processes and servers, fill disks, damage files, many times (an hour; PostgreSQL if installed)
	$(BIN)/python -m pytest -q -m faults tests

postgresql: $(VENV)/installed-dev ## test workers that share a study on PostgreSQL, and its outages (needs Debian's postgresql)
	$(BIN)/python -m pytest -q -m "faults or slow" tests/faults/test_workers_postgresql.py tests/faults/test_server_outages.py

browser: $(VENV)/installed-dev ## test the pages in headless Chromium (needs chromium and chromedriver)
	$(BIN)/python -m pytest -q -m browser tests/report tests/tracking tests/gallery

rules: $(VENV)/installed-dev ## measure every optimizer beside its paper or optax, for docs/update_rules.md
	$(BIN)/python -m benchmarks.update_rules.page docs/update_rules.md

reference: $(VENV)/installed-dev ## write the reference in docs/ from docstrings, config files and the commands' parsers
	$(BIN)/python -m benchmarks.api_page
	$(BIN)/python -m benchmarks.commands_page
	$(BIN)/python -m benchmarks.configs_page

docs: $(VENV)/installed-dev ## build the documentation site in site/, and check it
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict
	$(BIN)/python -m benchmarks.site.check site

printed: $(VENV)/installed-dev ## run the commands of README and of the tutorial, and write what they print into them
	$(BIN)/python -m benchmarks.printed_blocks

notebooks: $(VENV)/installed-dev ## run the notebooks of docs/notebooks and store their outputs
	$(BIN)/python -m benchmarks.notebooks

house: $(VENV)/installed-dev ## show the folders of study/ and the imports between them; BASE=<commit> shows that commit first
	$(BIN)/python -m benchmarks.house $(BASE)

same-numbers: $(VENV)/installed-dev ## run the same studies at BASE=<commit> and at HEAD, and compare every loss bit by bit
	$(BIN)/python -m benchmarks.same_numbers $(if $(BASE),$(BASE),$(error same-numbers: expected BASE=<commit>. Set it))

lint: $(VENV)/installed-dev ## check format, rules, types and plain English
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python .ci/plain_english

format: $(VENV)/installed-dev ## rewrite the code in the project's format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header
lock: $(VENV)/installed-dev ## pin the dependencies of pyproject.toml anew
	$(COMPILE) pyproject.toml -o requirements.lock
	$(COMPILE) pyproject.toml --extra dev -o requirements-dev.lock
	$(COMPILE) pyproject.toml --extra distributed -c requirements.lock -o requirements-distributed.lock

audit: $(VENV)/installed-dev ## check the locked dependencies for known vulnerabilities (needs a network)
	@.ci/audit $(BIN)/uv requirements-dev.lock

wheel: $(VENV)/installed ## build the package into dist/
	$(PIP) wheel --quiet --no-deps --wheel-dir dist .

# It needs no installed project, only pip.
wheelhouse: | $(BIN)/python ## collect the wheels that a GPU node lacks: PYTHON=3.12 [PLATFORM=manylinux_2_34_x86_64] (docs/gpu_node.md)
	@$(BIN)/python .ci/collect_wheels --python "$(if $(PYTHON),$(PYTHON),$(error wheelhouse: expected PYTHON=<version of the node>, for example 3.12. Set it))" $(if $(PLATFORM),--platform $(PLATFORM))

clean: ## remove .venv, builds and caches; the stores in mlruns/ stay
	rm -rf $(VENV) build dist site wheelhouse .mypy_cache .pytest_cache .ruff_cache .hypothesis

help: ## list the targets
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)/  make \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 20

# The dev lock has the same pins as the base lock, so the two may be installed in any order.
$(VENV)/installed: requirements.lock pyproject.toml | $(BIN)/python
	$(PIP) install --quiet --require-hashes -r requirements.lock
	$(PIP) install --quiet --no-deps --editable .
	touch $@

$(VENV)/installed-dev: requirements-dev.lock pyproject.toml | $(BIN)/python
	$(PIP) install --quiet --require-hashes -r requirements-dev.lock
	$(PIP) install --quiet --no-deps --editable .
	touch $@ $(VENV)/installed

$(VENV)/installed-distributed: requirements-distributed.lock $(VENV)/installed
	$(PIP) install --quiet --require-hashes -r $<
	touch $@

$(BIN)/python:
	@.ci/make_venv $(VENV)
