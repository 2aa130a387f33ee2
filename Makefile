# Everything a developer does, as verbs. A machine with Debian, python3 and make is enough.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/pip --quiet --disable-pip-version-check install -c constraints.txt

export PYTHON

.DEFAULT_GOAL := help
.PHONY: help run test lint format bench config constraints clean

help: ## Show these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/run ## Start one instance with the demo page, on the embedded memory broker
	@echo 'Demo page:    http://127.0.0.1:8091/'
	@echo 'Control port: telnet 127.0.0.1 8291, then: broadcast hello'
	@command -v telnet >/dev/null || echo '              (telnet: apt-get install telnet)'
	@PUSHD_LISTEN_DEMO=yes exec $(BIN)/twistd --nodaemon --pidfile= pushd --config etc/pushd.ini

test: $(VENV)/test tests/js/node_modules/.package-lock.json ## Run all tests and check every module's coverage
	$(BIN)/pytest --cov --cov-report=json
	@$(BIN)/python tools/coverage_floor.py coverage.json

lint: $(VENV)/lint ## Check style, types and the direction of imports
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/lint ## Lay the code out
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(VENV)/bench bench/peers/node_modules/.package-lock.json ## Measure, against peers and the kernel's floor
	$(BIN)/python -m bench --publish

config: $(VENV)/run ## Write etc/pushd.ini and docs/configuration.md anew from the list of keys
	$(BIN)/python tools/render_config.py

constraints: ## Pin the newest versions of all dependencies in constraints.txt
	rm -rf $(VENV)-constraints
	$(PYTHON) -m venv $(VENV)-constraints
	$(VENV)-constraints/bin/pip --quiet install -e '.[test,lint,bench]'
	$(VENV)-constraints/bin/pip freeze --exclude-editable > constraints.txt
	rm -rf $(VENV)-constraints

clean: ## Remove what the targets above have made
	rm -rf $(VENV) tests/js/node_modules tests/go/centrifuge coverage.json .coverage

# Stamps: what an environment holds follows from these three files alone.
$(VENV)/run: pyproject.toml constraints.txt .ci/packages
	@.ci/packages run
	@test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	$(INSTALL) -e .
	@touch $@

$(VENV)/lint $(VENV)/bench: $(VENV)/%: $(VENV)/run
	$(INSTALL) -e '.[test,$*]'
	@touch $@

$(VENV)/test: $(VENV)/run
	@.ci/packages test
	$(INSTALL) -e '.[test]'
	@touch $@

tests/js/node_modules/.package-lock.json: tests/js/package-lock.json | $(VENV)/test
	npm --prefix tests/js ci --silent --no-audit --no-fund --ignore-scripts
	@touch $@

bench/peers/node_modules/.package-lock.json: bench/peers/package.json
	@npm --prefix bench/peers install --silent --no-audit --no-fund --no-package-lock --ignore-scripts \
		&& touch $@ || echo 'Without npm, ws and Bun are left out.'
