# Every recipe sets up what it needs in .venv; nothing is installed outside this folder.
PYTHON ?= python3
VENV := .venv
# Voice frameworks, which have requirements of their own.
FRAMEWORKS := .venv-frameworks
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
PORT ?= 8765
# Processes that run tests. What must not be disturbed waits for the rest and runs by itself: see tests/beside.py.
TESTERS ?= 2
SIDE_BY_SIDE := -n $(TESTERS) --dist loadfile --no-loadscope-reorder
# Of five thousand tests with real processes, one in some runs meets a machine that stood still. What fails is tried once
# more, by itself, and named at the end (`-r R`): a defect fails twice.
ONCE_MORE := --reruns 1 -r fER
RIVA_CLIENT := nvidia-riva-client==2.28.0
# The web client, and where the hub looks for it.
PAGE := src/asr_hub/web/index.html
NODE_MODULES := frontend/node_modules/.installed
PAGE_SOURCES = $(shell find frontend sdk/typescript/src -path '*/node_modules' -prune -o -type f -print 2>/dev/null)

.PHONY: demo test test-quick test-frameworks check check-python check-web format bench serve web page wheel clean

# Hear a spoken sample become text, live, through a real WebSocket.
demo: $(VENV)/.base page
	$(BIN)/asr-hub demo

# Start the hub on http://127.0.0.1:$(PORT)
serve: $(VENV)/.base page
	$(BIN)/asr-hub serve --port $(PORT)

# The web client, built into the package. Needs Node.js 20 or newer.
web:
	@command -v npm >/dev/null || { echo "No Node.js here: the web client needs version 20 or newer, with npm, to be built." >&2; exit 1; }
	@$(MAKE) --no-print-directory $(PAGE)

# The same where it can be built; the hub has a small page without it.
page:
	@command -v npm >/dev/null || { echo "No Node.js here: the hub serves its small page. With Node.js 20, \`make web\` builds the full client."; exit 0; }; \
	$(MAKE) --no-print-directory web || echo "The web client could not be built: the hub serves what was built before, or its small page."

# A wheel in dist/, with the web client in it.
wheel: web | $(VENV)/bin/python
	$(PIP) wheel --quiet --no-deps --wheel-dir dist .

# All tests. Those that read the shared speech clips are skipped, and say so, where the clips are absent.
test: $(VENV)/.dev page
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) $(ONCE_MORE)

# The tests that need no minutes.
test-quick: $(VENV)/.dev page
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) $(ONCE_MORE) -m "not slow"

# The speech-to-text plug-ins of Pipecat and LiveKit against a hub. No part of `make test`: they bring 100 packages.
test-frameworks: $(VENV)/.dev $(FRAMEWORKS)/.ready
	$(FRAMEWORKS)/bin/python -m pytest -c tests/frameworks/pytest.ini tests/frameworks

# Format, lint, types, layers, and what is generated from the code; the web client beside it.
check: $(VENV)/.dev
	$(MAKE) --no-print-directory -j2 --output-sync=target check-python check-web

check-python: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	cd sdk/python && $(CURDIR)/$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m asr_hub.wire.schema --check
	$(BIN)/python -m asr_hub.wire.asyncapi --check
	$(BIN)/python tools/make_protos.py --check
	$(BIN)/python tools/make_typescript.py --check
	$(BIN)/python sdk/python/make_proto.py --check
	$(BIN)/python -m asr_hub.config.docs --check
	$(BIN)/python -m asr_hub.providers.table --check
	$(BIN)/python -m asr_hub.providers.docs --check

check-web:
	@command -v npm >/dev/null || { echo "No Node.js here: the web client is not checked."; exit 0; }; \
	$(MAKE) --no-print-directory $(NODE_MODULES) && cd frontend && npm run check && npm test

format: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/python -m asr_hub.wire.schema
	$(BIN)/python -m asr_hub.wire.asyncapi
	$(BIN)/python tools/make_protos.py
	$(BIN)/python tools/make_typescript.py
	$(BIN)/python sdk/python/make_proto.py
	$(BIN)/python -m asr_hub.config.docs
	$(BIN)/python -m asr_hub.providers.table
	$(BIN)/python -m asr_hub.providers.docs

# The benchmarks, one table each. See benchmarks/README.md for the questions they answer.
bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks.store
	$(BIN)/python -m benchmarks.vad
	$(BIN)/python -m benchmarks.engine
	$(BIN)/python -m benchmarks.gateway
	$(BIN)/python -m benchmarks.protocols
	$(BIN)/python -m benchmarks.dialects
	$(BIN)/python -m benchmarks.hedging
	$(BIN)/python -m benchmarks.shadow
	$(BIN)/python -m benchmarks.jobs
	$(BIN)/python -m benchmarks.wer
	$(BIN)/python -m benchmarks.wer_engines
	$(BIN)/python -m benchmarks.engines

clean:
	rm -rf $(VENV) $(FRAMEWORKS) frontend/node_modules src/asr_hub/web

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.base: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) install --quiet --constraint constraints.txt --editable .
	touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) install --quiet --constraint constraints.txt --editable ".[dev]"
	# By itself: it asks for a websockets from before the hub's, for a client that the tests do not use.
	$(PIP) install --quiet --no-deps $(RIVA_CLIENT)
	touch $@ $(VENV)/.base

$(PAGE): $(NODE_MODULES) $(PAGE_SOURCES)
	cd frontend && npm run build

# The mark holds the lock that was installed, as tests/node.py writes it.
$(NODE_MODULES): frontend/package-lock.json
	cd frontend && npm ci --ignore-scripts --silent
	cp $< $@

$(FRAMEWORKS)/bin/python:
	$(PYTHON) -m venv $(FRAMEWORKS)

$(FRAMEWORKS)/.ready: tests/frameworks/requirements.txt | $(FRAMEWORKS)/bin/python
	$(FRAMEWORKS)/bin/python -m pip --disable-pip-version-check install --quiet --requirement $<
	touch $@
