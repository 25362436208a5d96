# Two commands a new user needs: `make run` and `make test`. Both make .venv on first use.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help run test check bench bench-peers soak clean

help:
	@echo "make run    start the bridge on http://127.0.0.1:8080"
	@echo "make test   run every test"
	@echo "make check  format check, lint, types, import directions"
	@echo "make bench  measure the waiting that the bridge adds, beside others, and what the record costs"
	@echo "make bench-peers  install pipecat and livekit-agents beside the bridge, to compare with"
	@echo "make soak   kill the bridge a hundred times, and look for what was lost"
	@echo "make clean  remove the virtual environment and caches"

run: $(VENV)/.run
	@$(BIN)/bridge serve

test: $(VENV)/.dev
	@$(BIN)/python -X dev -m pytest -n 4 --dist worksteal

check: $(VENV)/.dev
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/python -m pytest -q tests/test_layout.py

bench: $(VENV)/.bench
	@$(BIN)/python benchmarks/speed
	@$(BIN)/python benchmarks/recording.py
	@$(BIN)/python benchmarks/listing.py

bench-peers: .venv-pipecat/.peer .venv-livekit/.peer

soak: $(VENV)/.dev
	@BRIDGE_TEST_KILLS=50 $(BIN)/python -X dev -m pytest \
		tests/store/test_killing_the_bridge.py tests/store/test_dying.py --timeout 1800

clean:
	rm -rf $(VENV) $(wildcard .venv-*) .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "millis-bridge needs Python 3.11 or newer: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# The stamps are empty files: an environment is as new as the pyproject.toml it was made from.
$(VENV)/.run: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@$(BIN)/python -m compileall -q bridge
	@touch $@

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@ $(VENV)/.run

$(VENV)/.bench: pyproject.toml | $(VENV)/.dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev,bench]'
	@touch $@

# A peer's environment holds what its extra names, without the bridge, as the peer's users have it.
.venv-%/.peer: pyproject.toml
	$(PYTHON) -m venv .venv-$*
	$(PYTHON) -c 'import tomllib; \
		extras = tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]; \
		print(*extras["bench-$*"], sep="\n")' > .venv-$*/requirements.txt
	.venv-$*/bin/python -m pip install --quiet --disable-pip-version-check \
		-r .venv-$*/requirements.txt
	@touch $@
