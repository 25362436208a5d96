# Two commands a new user needs: `make run` and `make test`. Both make .venv on first use.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help run test check audit console bench bench-peers soak autobahn fuzz clean

help:
	@echo "make run    start the bridge on http://127.0.0.1:8080"
	@echo "make test   run every test"
	@echo "make check  format check, lint, types, holes and secrets, import directions"
	@echo "make audit  ask the network for known holes in the packages of the image and the console"
	@echo "make console  build the console's pages; run and test do it, too, where it can be done"
	@echo "make bench  measure the waiting that the bridge adds, beside others, and what the record costs"
	@echo "make bench-peers  install pipecat and livekit-agents beside the bridge, to compare with"
	@echo "make soak   ten minutes of bad lines and failing models; then kill the bridge a hundred times, and"
	@echo "            replicas behind HAProxy; look for what was lost, and for what grows"
	@echo "make autobahn  hold the socket to RFC 6455; WSTEST=... is Autobahn's program: docs/autobahn.md"
	@echo "make fuzz   look for bytes that break what reads them: SECONDS=60 for each of TARGETS=..."
	@echo "make clean  remove the virtual environment and caches"

# What the console's pages are made of.
PAGES := $(shell find web -not -path 'web/node_modules*' -type f)

# Where somebody may have left a key: not in figures, pictures and lists of hashes. What tests plant
# and what examples show is listed in .secrets.baseline; anything else needs a word on its line:
# `# pragma: allowlist secret`, and why it is none.
LOOKED_AT := . ':!benchmarks/results' ':!docs/images' ':!web/package-lock.json'

run: $(VENV)/.run $(VENV)/.console
	@$(BIN)/bridge serve

# Hundreds of processes import the bridge: what has been compiled once is kept.
test: export PYTHONDONTWRITEBYTECODE =
test: $(VENV)/.dev $(VENV)/.console
	@$(BIN)/python -X dev -m pytest -n 4 --dist worksteal

check: $(VENV)/.dev
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/bandit -q -c pyproject.toml -r bridge tools
	@git ls-files -z -- $(LOOKED_AT) | xargs -0 -n 160 -P 2 \
		$(BIN)/detect-secrets-hook --baseline .secrets.baseline
	@$(BIN)/python -m pytest -q tests/test_layout.py
	@$(BIN)/python web/build.py check

# In an environment of its own: what looks for holes is to add none.
audit: .venv-audit/.done
	@PATH="$(CURDIR)/.venv-audit/bin:$$PATH" $(BIN)/python deploy/audit.py

.venv-audit/.done: | $(BIN)/python
	$(PYTHON) -m venv .venv-audit
	.venv-audit/bin/python -m pip install --quiet --disable-pip-version-check 'pip-audit>=2.9,<3'
	@touch $@

console: $(BIN)/python
	@$(BIN)/python web/build.py
	@touch $(VENV)/.console

bench: $(VENV)/.bench
	@$(BIN)/python benchmarks/speed
	@$(BIN)/python benchmarks/recording.py
	@$(BIN)/python benchmarks/listing.py

bench-peers: .venv-pipecat/.peer .venv-livekit/.peer

soak: $(VENV)/.dev
	@$(BIN)/python benchmarks/soak
	@BRIDGE_TEST_KILLS=50 $(BIN)/python -X dev -m pytest \
		tests/store/test_killing_the_bridge.py tests/store/test_dying.py --timeout 1800
	@BRIDGE_TEST_CALLS=100 $(BIN)/python -X dev -m pytest tests/server/test_replicas.py
	@BRIDGE_TEST_FAULTS=full $(BIN)/python -X dev -m pytest tests/faults --timeout 600

autobahn: $(VENV)/.dev
	@$(BIN)/python -m tests.autobahn --wstest $(or $(WSTEST),wstest)

fuzz: $(VENV)/.fuzz
	@$(BIN)/python -m tests.fuzz $(TARGETS) --seconds $(or $(SECONDS),60)

clean:
	rm -rf $(VENV) $(wildcard .venv-*) web/node_modules bridge/server/console/built .pytest_cache .mypy_cache .ruff_cache .hypothesis .fuzz

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

# The bridge runs without its console: what cannot be built is said once, and not tried again until
# the pages have changed, or with `make console`.
$(VENV)/.console: $(PAGES) | $(BIN)/python
	@echo "building the console, once"
	@$(BIN)/python web/build.py > $(VENV)/console.log 2>&1 \
		|| echo "the bridge runs without it: $$(tail -n 1 $(VENV)/console.log)"
	@touch $@

$(VENV)/.bench: pyproject.toml | $(VENV)/.dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev,bench]'
	@touch $@

$(VENV)/.fuzz: pyproject.toml | $(VENV)/.dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev,fuzz]'
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
