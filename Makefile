# make install   .venv with everything, from requirements.lock
# make demo      the demo application with faults, everything embedded
# make test      every test
# make bench     everything that is measured, beside its peers
# make fuzz      hostile requests by the thousand; EXAMPLES=5000 for more than the usual 1000
# make faults    killed, cut off and held back for longer than in the tests; KILLS=1000 for more than 300
# make check     everything that must hold: format, lint, types, import rules, tests, packages, demo
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
READY := .venv/.ready
# by file on two processes: half of the time goes into waiting for real services
PYTEST := $(BIN)/pytest -q -p no:cacheprovider -n 2 --dist loadfile

.PHONY: install demo test check bench lint types imports packages peers demo-check lock clean fuzz faults

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

# each test asks so many times what `make test` asks a few times
EXAMPLES ?= 1000
fuzz: install
	DONEWATCH_TEST_EXAMPLES=$(EXAMPLES) $(PYTEST) tests/fuzz tests/service/test_protocol.py

lint: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: install
	$(BIN)/mypy

imports: install
	$(BIN)/lint-imports --no-cache

demo-check: install
	$(BIN)/donewatch demo --no-faults --duration 45 --json & well=$$!; \
		$(BIN)/donewatch demo --duration 134 --json && wait $$well

check: lint types imports test demo-check

# an hour or so on two cores; `python -m benchmarks.report FILE` shows the tables again
bench: install peers
	$(BIN)/python -m benchmarks.ingest --output benchmarks/results/ingest.json
	$(BIN)/python -m benchmarks.settling --output benchmarks/results/settling.json
	$(BIN)/python -m benchmarks.figures --output benchmarks/results/figures.json

# half an hour on two cores: kills at random, and producers faster than the store for a minute
KILLS ?= 300
faults: install peers
	DONEWATCH_FAULT_KILLS=$(KILLS) $(PYTEST) -n 0 -s tests/faults

lock:
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-emit-find-links \
		--no-annotate --no-header --no-emit-package donewatch --python-version 3.11 --all-extras --group dev \
		pyproject.toml -o requirements.lock

clean:
	rm -rf .venv build dist .mypy_cache .ruff_cache .hypothesis
