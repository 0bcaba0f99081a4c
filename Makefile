# hopmap: `make up` maps an internet in a box on this machine, `make test` proves that it works.
#
#   make up       install, then run everything and watch the map grow (WORLD=internet CONTACT=mailto:... for the real one)
#   make check    lint, types, layers, unit tests: the inner loop (about a minute)
#   make test     install, then every gate and every test with coverage (about 13 minutes on 2 cores)
#   make faults   kills, full disks, damage, bad input, cut-off parts (about 4 minutes on 2 cores)
#   make faults-full  the same at full size, with the benchmarks of the services (tests/faults/README.md)
#   make molecule  the agent's one file and the playbooks on booted Debian hosts (about 17 minutes; SCENARIOS="default fleet")
#   make bench    the table of figures (about 8 minutes)
#   make agent    the agent as one file for any Linux with Python 3.11: hopmap-agent.pyz
#   make ansible  Ansible into .venv/bin, for a fleet (docs/fleet.md)
#   make soak     everything for a long time, watched for growth (SOAK_MINUTES=120)
#   make clean    remove what these made

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORLD ?= lab
CONTACT ?=
UP_FLAGS ?=
SOAK_MINUTES ?= 120
# two run side by side, so the longest begin
LONGEST := upgrade two-of-everything
SCENARIOS ?= $(LONGEST) $(filter-out $(LONGEST),$(notdir $(patsubst %/molecule.yml,%,$(wildcard molecule/*/molecule.yml))))
HOSTS_CACHE := $(or $(HOPMAP_HOSTS_CACHE),$(HOME)/.cache/hopmap-hosts)
# a file of tests stays in one process, so that what it shares is made once
SIDE_BY_SIDE := -n auto --dist loadfile

.PHONY: up agent ansible check test faults molecule lint types layers unit bench soak clean help tools

help:
	@sed -n '/^#/!q; s/^# \{0,1\}//p' $(firstword $(MAKEFILE_LIST))

$(BIN)/python:
	@scripts/need-venv.sh $(PYTHON)
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed-run: $(BIN)/python pyproject.toml hopmap/__init__.py
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[manager]'
	@touch $@

$(VENV)/.installed-dev: $(BIN)/python pyproject.toml hopmap/__init__.py
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	$(BIN)/python -m pip download --quiet --disable-pip-version-check --dest $(VENV)/wheels icmplib PyYAML
	@touch $@ $(VENV)/.installed-run $(VENV)/.installed-deploy

$(VENV)/.installed-deploy: $(BIN)/python pyproject.toml hopmap/__init__.py
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[deploy]'
	@touch $@

up: $(VENV)/.installed-run
	@$(BIN)/hopmap up --world $(WORLD) $(if $(CONTACT),--contact '$(CONTACT)') $(UP_FLAGS)

agent: $(VENV)/.installed-run
	@$(BIN)/python scripts/build_agent.py

ansible: $(VENV)/.installed-deploy
	@echo "$(BIN)/ansible-playbook is there: docs/fleet.md says how to go on"

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/yamllint --strict .
	PATH="$(CURDIR)/$(BIN):$$PATH" ansible-lint -q

types: $(VENV)/.installed-dev
	$(BIN)/mypy

layers: $(VENV)/.installed-dev
	$(BIN)/lint-imports

unit: $(VENV)/.installed-dev
	$(BIN)/pytest tests/unit

check: lint types layers unit

tools:
	@scripts/need-tools.sh

test: $(VENV)/.installed-dev tools lint types layers
	@rm -f .coverage .coverage.*
	HYPOTHESIS_PROFILE=full scripts/in-sink.sh $(BIN)/coverage run -m pytest $(SIDE_BY_SIDE)
	@$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --fail-under=90
	$(BIN)/coverage report --fail-under=100 --include='hopmap/wire/*,*/core/*,lab/world/*'

faults: $(VENV)/.installed-dev tools
	scripts/in-sink.sh $(BIN)/pytest $(SIDE_BY_SIDE) tests/faults

faults-full: $(VENV)/.installed-dev tools
	HOPMAP_FAULT_ROUNDS=300 HOPMAP_FAULT_INPUTS=100000 HOPMAP_FAILOVER_SECONDS=20 HYPOTHESIS_PROFILE=full scripts/in-sink.sh \
	  $(BIN)/pytest -s -v --durations=30 tests/faults tests/unit/services/input/test_serving.py tests/unit/services/input/test_records.py 2>faults.log
	$(BIN)/python -m benchmarks input_serving output_ingest

molecule: $(VENV)/.installed-dev tools
	$(BIN)/pytest tests/fleet
	molecule/test $(SCENARIOS)

bench: $(VENV)/.installed-dev tools
	$(BIN)/python -m benchmarks

soak: $(VENV)/.installed-run
	$(BIN)/python benchmarks/soak.py --minutes $(SOAK_MINUTES)

clean:
	rm -rf $(VENV) .wheelhouse .ansible hopmap-agent.pyz hopmap-data hopmap-internet input_state output_data dist build htmlcov .coverage .coverage.* \
	  .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	@[ ! -d $(HOSTS_CACHE) ] || echo "left, for other source trees may use them: Debian trees in $(HOSTS_CACHE) ($$(du -sh $(HOSTS_CACHE) | cut -f1))"
