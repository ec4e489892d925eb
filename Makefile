# Every command of this project. `make` alone lists them.
# Each target that needs the virtual environment creates it, and creates it again if the pinned requirements changed.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
PYTEST := $(if $(CLOCK),COUNTINGHOUSE_CLOCK=$(CLOCK) )$(BIN)/python -m pytest
WORKERS ?= 2

# A run starts dozens of processes, and each would compile our sources again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run stop reset manage lake demo-lake test test-long test-quick coverage check e2e lighthouse soak bench-quick bench format lock css venv venv-dev clean

help:  ## List these commands
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# Use

run: venv  ## Start everything and print the addresses (PORT=8001 make run for another port)
	@exec $(BIN)/python -m config.workbench.runner run

stop: venv  ## Stop everything that `make run` started, and the embedded database
	@$(BIN)/python -m config.workbench.runner stop

reset: venv  ## Delete the embedded database and the demo data (asks first; YES=1 does not)
	@$(BIN)/python -m config.workbench.runner reset

manage: venv  ## Run a command of manage.py on the data of `make run`: make manage ARGS="reconcile"
	@exec $(BIN)/python -m config.workbench.runner manage $(ARGS)

lake: venv  ## Install what the lake needs (Iceberg tables of sealed months: docs/lake.md)
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-input --no-compile --require-hashes --no-deps -r deploy/lake/requirements.txt

demo-lake: lake  ## From events to SQL over six months in a lake, in a database of its own (.data/lake-demo; ARGS="--events 1000000")
	@export COUNTINGHOUSE_DATA_DIR="$${COUNTINGHOUSE_DATA_DIR:-.data}/lake-demo"; \
	$(BIN)/python -m config.workbench.runner manage prepare && $(BIN)/python -m config.workbench.runner manage demo_lake $(ARGS); \
	status=$$?; $(BIN)/python -m config.workbench.runner stop; exit $$status

# Work on it

test: venv-dev  ## Run the tests on a throw-away PostgreSQL (or on DATABASE_URL), WORKERS at a time; CLOCK=+40d for another day
	@$(PYTEST) -n $(WORKERS) --dist worksteal -m 'not e2e and not soak and not takes_long' $(ARGS)

test-long: venv-dev  ## The tests that take seconds each: crashes, races, every page in every role; WORKERS and CLOCK as above
	@$(PYTEST) -n $(WORKERS) --dist worksteal -m 'takes_long and not e2e and not soak' $(ARGS)

test-quick: venv-dev  ## Only the tests that need neither a database nor another program
	@$(PYTEST) -n $(WORKERS) --dist worksteal --quick $(ARGS)

coverage: venv-dev  ## Show which lines of the rules and the services no test runs
	@$(PYTEST) -n $(WORKERS) -m 'not e2e and not soak' --cov --cov-report= $(ARGS)
	@$(BIN)/coverage report --include='*/domain/*,*/services/*'

check: venv-dev  ## Format, lint, types, import contracts, dead code, dependencies, migrations, deployment, OpenAPI
	@PATH="$(CURDIR)/$(BIN):$$PATH" .ci/check

format: venv-dev  ## Format the sources and fix what can be fixed automatically
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

e2e: venv-dev  ## Run the tour in a real Chromium
	@$(PYTEST) -m e2e tests/e2e $(ARGS)

lighthouse: venv-dev  ## Measure the pages of a running demo with Lighthouse (needs npm; the PORT of make run; ARGS="--pages overview,usage")
	@$(BIN)/python -m tests.e2e.lighthouse $(ARGS)

soak: venv-dev  ## Run crashes and load, for minutes (ARGS=lives: a thousand lives of a year each; ARGS=properties: a thousand examples of each property)
	@$(PYTEST) $(or $(SOAK_$(ARGS)),-m soak $(ARGS))

SOAK_lives := -m soak -s tests/scenarios/test_lives.py
SOAK_properties := -n $(WORKERS) -m 'hypothesis and not soak' --hypothesis-profile=long

bench-quick: venv-dev  ## Measure every call beside a bare view and raw COPY, in a minute and a half (ARGS="--only batch")
	@$(BIN)/python -m tests.bench $(ARGS)

bench: venv-dev  ## Run the same three times, and on a ledger of 10 million events, in ten minutes; then a month's close
	@$(BIN)/python -m tests.bench --long $(ARGS)
	@$(BIN)/python -m tests.bench.invoicing --subscriptions 1000

lock: venv-dev  ## Pin the requirements again, with hashes (UPGRADE=1 takes the newest that pyproject.toml allows)
	@$(BIN)/uv pip compile pyproject.toml -o requirements.txt \
		--generate-hashes --python-version 3.11 --universal --quiet $(if $(UPGRADE),--upgrade)
	@$(BIN)/uv pip compile deploy/lake/requirements.in -c requirements.txt -o deploy/lake/requirements.txt \
		--generate-hashes --python-version 3.11 --universal --quiet $(if $(UPGRADE),--upgrade)
	@$(BIN)/uv pip compile pyproject.toml --group dev -c requirements.txt -o requirements-dev.txt \
		--generate-hashes --python-version 3.11 --universal --quiet $(if $(UPGRADE),--upgrade)

css:  ## Build the portal's style sheet again after a change of templates or styles (needs npm)
	@sh portal/frontend/build.sh

clean: stop  ## Remove the virtual environment and caches; the data stays
	@rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

# The virtual environment: a stamp tells for which requirements it was filled.

venv: $(VENV)/stamp-run
venv-dev: $(VENV)/stamp-dev

# On a path without write access or network nothing happens here as long as the stamps are newer.
$(VENV)/stamp-run: requirements.txt
	@$(call fill,requirements.txt)
	@touch $@

$(VENV)/stamp-dev: requirements-dev.txt
	@$(call fill,requirements-dev.txt)
	-@$(BIN)/python -m compileall -qq -j 0 $(VENV)/lib  # each of the many processes of a test run saves two seconds
	@touch $(VENV)/stamp-run $@

define fill
test -x $(BIN)/python || { echo "Making the virtual environment ..."; "$(PYTHON)" -m venv $(VENV) || exit 1; }; \
$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11")' || { rm -rf $(VENV); exit 1; }; \
echo "Installing what $(1) pins ..."; \
$(BIN)/python -m pip install -qq --disable-pip-version-check --no-input --no-compile --require-hashes --no-deps -r $(1) || exit 1; \
$(BIN)/python -c 'import pathlib, sysconfig; pathlib.Path(sysconfig.get_path("purelib"), "countinghouse.pth").write_text(str(pathlib.Path.cwd()) + "\n")'
endef
