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

.PHONY: demo test test-quick test-frameworks check format bench serve clean

# Hear a spoken sample become text, live, through a real WebSocket.
demo: $(VENV)/.base
	$(BIN)/asr-hub demo

# Start the hub on http://127.0.0.1:$(PORT)
serve: $(VENV)/.base
	$(BIN)/asr-hub serve --port $(PORT)

# All tests. Those that read the shared speech clips are skipped, and say so, where the clips are absent.
test: $(VENV)/.dev
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) $(ONCE_MORE)

# The tests that need no minutes.
test-quick: $(VENV)/.dev
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) $(ONCE_MORE) -m "not slow"

# The speech-to-text plug-ins of Pipecat and LiveKit against a hub. No part of `make test`: they bring 100 packages.
test-frameworks: $(VENV)/.dev $(FRAMEWORKS)/.ready
	$(FRAMEWORKS)/bin/python -m pytest -c tests/frameworks/pytest.ini tests/frameworks

# Format, lint, types, layers, and what is generated from the code.
check: $(VENV)/.dev
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
	rm -rf $(VENV) $(FRAMEWORKS)

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

$(FRAMEWORKS)/bin/python:
	$(PYTHON) -m venv $(FRAMEWORKS)

$(FRAMEWORKS)/.ready: tests/frameworks/requirements.txt | $(FRAMEWORKS)/bin/python
	$(FRAMEWORKS)/bin/python -m pip --disable-pip-version-check install --quiet --requirement $<
	touch $@
