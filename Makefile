# make install   .venv with everything, from requirements.lock
# make demo      the demo application with faults, everything embedded
# make test      every test
# make check     everything that must hold: format, lint, types, import rules, tests, packages, demo
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
READY := .venv/.ready
PYTEST := $(BIN)/pytest -q -p no:cacheprovider

.PHONY: install demo test check lint types imports packages peers demo-check lock clean

install: $(READY)

# the lock has every version and hash, and names no registry: pip takes the one it is set up for
$(READY): requirements.lock pyproject.toml sdk/pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "donewatch needs Python 3.11 or newer; name one: make PYTHON=/path/to/python3.11"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e ./sdk -e .
	@touch $(READY)

demo: install
	$(BIN)/donewatch demo

# what the tests start beside us: Debian's Prometheus tools, Alertmanager and Chromium
peers:
	@sh tests/peers/install.sh

test: install peers
	$(PYTEST)

lint: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: install
	$(BIN)/mypy

imports: install
	$(BIN)/lint-imports --no-cache

demo-check: install
	$(BIN)/donewatch demo --no-faults --duration 45 --json
	$(BIN)/donewatch demo --duration 150 --json

check: lint types imports test demo-check

lock:
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-emit-find-links \
		--no-annotate --no-header --no-emit-package donewatch --python-version 3.11 --all-extras --group dev \
		pyproject.toml -o requirements.lock

clean:
	rm -rf .venv build dist .mypy_cache .ruff_cache .hypothesis
