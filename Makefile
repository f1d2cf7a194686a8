# Two commands set everything up: `make demo` and `make test`. `make help` lists the others.
# Everything that is installed goes into .venv; a second start installs nothing and needs no network.

SHELL := /bin/sh
PY := .venv/bin/python
PIP := $(PY) -m pip --disable-pip-version-check --quiet install --only-binary :all: --constraint constraints.txt
TEST_OPTIONS ?=
BENCH_OPTIONS ?=

# What is compiled is kept: else every worker and every node of a test compiles all of it once more.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help demo test check long lint sim bench cometbft clean
.DELETE_ON_ERROR:

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1\t\2/p' Makefile

# ENGINE=cometbft: ordered by CometBFT in place of the embedded engine; it is built if need be.
demo: .venv/installed $(if $(filter cometbft,$(ENGINE)),cometbft) ## start six nodes, play the scenario, print the verdicts and one address; Ctrl-C ends it
	@exec $(PY) -m node demo $(if $(ENGINE),--engine $(ENGINE))

# Of two workers on two cores a sixth of the time is waited: a third one takes it.
WORKERS := 3

# By default the files with the fewest tests come last: often the longest ones, on one worker alone.
test: .venv/installed-dev ## everything that needs only Python (at most 5 minutes)
	@exec $(PY) -m pytest --tier=test -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(TEST_OPTIONS)

# Files of the second half that bear company: they compute, ask one node, or wait for what their network does
# and hold no time against it (tried with all of `make test` beside them).
BESIDE := $(patsubst %,tests/%.py, \
    node/test_batch node/test_desk node/test_governance_cli node/test_joining node/test_lapsed_shown \
    node/test_list_history node/test_long_sheet node/test_named_files node/test_odd_sheets \
    node/test_openid node/test_opening node/test_parts_tree node/test_proposing node/test_queries \
    node/test_restore node/test_rule_files node/test_rule_tables node/test_rules_of_the_time \
    node/test_set_aside node/test_snapshot node/test_snapshot_governance node/test_standalone \
    node/test_two_codes node/test_vc_api node/test_woken node/test_woken_by system/test_browser_days \
    system/test_browser_trades system/test_expelling system/test_governance_browser system/test_interop \
    system/test_leaving system/test_live_keys system/test_rules_lacking system/test_schemathesis \
    system/test_stolen_keys system/test_stolen_signatures system/test_third_jurisdiction)

# What only computes or waits runs side by side; what measures nodes in real time has the machine for itself.
check: .venv/installed-dev ## browser, kills, interoperation, more seeds (at most 40 minutes)
	@computing=0; running=0; \
	$(PY) -m pytest --tier=check -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(TEST_OPTIONS) tests/consensus tests/credentials $(BESIDE) || computing=$$?; \
	$(PY) -m pytest --tier=check $(TEST_OPTIONS) $(addprefix --ignore=,$(BESIDE)) tests/node tests/system || running=$$?; \
	exit $$((computing + running))

long: .venv/installed-dev ## by hand; results go to tests/RESULTS.md
	@exec $(PY) -m pytest --tier=long $(TEST_OPTIONS)

lint: .venv/installed-dev ## format, lint and type check
	@$(PY) -m ruff format --check .
	@$(PY) -m ruff check .
	@$(PY) -m mypy

sim: .venv/installed-dev ## seeded clusters over a simulated network
	@exec $(PY) -m tests.harness.sim $(SIM_OPTIONS)

bench: .venv/installed-dev ## measured in turn against others: medians and ratios
	@exec $(PY) -m tests.bench $(BENCH_OPTIONS)

cometbft: .cache/cometbft/cometbft ## build the second engine, CometBFT, with Go (some two minutes, once)

# A pinned version of the Go module, and nothing else of Go's is touched: what it downloads is in Go's own cache.
# Its next line is built by `make .cache/cometbft-0.40/cometbft`: for `make long`, and for who names it in node.toml.
COMETBFT := v0.38.25
.cache/cometbft-0.40/cometbft: COMETBFT := v0.40.0
GO := $(shell command -v go || echo /usr/local/go/bin/go)

.cache/cometbft/cometbft .cache/cometbft-0.40/cometbft:
	@$(GO) version >/dev/null 2>&1 || { \
	    echo "CometBFT is built with Go, which is missing: install Go 1.22.11 or newer" >&2; \
	    echo "(that of Debian 12 is too old)." >&2; exit 1; }
	@echo "Building CometBFT $(COMETBFT) into $(@D) (once)." >&2
	@GOBIN="$(CURDIR)/$(@D)" $(GO) install github.com/cometbft/cometbft/cmd/cometbft@$(COMETBFT) || { \
	    echo "CometBFT $(COMETBFT) could not be built by `$(GO) version`: see Go's reason above." >&2; exit 1; }

clean: ## remove what was made, except .venv
	rm -rf .demo .cache build dist comity.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis tests/artifacts
	find consensus credentials node config tests -name __pycache__ -prune -exec rm -rf {} +

# The first Python from 3.11 on that can make a virtual environment.
.venv/made:
	@for python in $(PYTHON) python3.11 python3.12 python3.13 python3 python; do \
	    "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 || continue; \
	    found="$$python"; \
	    "$$python" -c 'import venv, ensurepip' >/dev/null 2>&1 || continue; \
	    "$$python" -m venv .venv && touch .venv/made && exit 0; \
	done; \
	if [ -n "$$found" ]; then \
	    echo "$$found cannot make virtual environments; install that with: apt-get install -y python3-venv" >&2; \
	else \
	    echo "Python 3.11 or newer was not found; install it with: apt-get install -y python3 python3-venv" >&2; \
	fi; \
	exit 1

# setuptools comes first, as a wheel like the rest, so that installing the clone itself needs no network.
.venv/installed: .venv/made pyproject.toml constraints.txt
	@echo "Installing into .venv (once)." >&2
	@$(PIP) setuptools && $(PIP) --no-build-isolation --editable . || { \
	    echo "The packages could not be installed: see pip's reason above." >&2; exit 1; }
	@touch .venv/installed

.venv/installed-dev: .venv/installed
	@echo "Installing the tools for tests into .venv (once)." >&2
	@$(PIP) --no-build-isolation --editable '.[dev]' || { \
	    echo "The packages could not be installed: see pip's reason above." >&2; exit 1; }
	@touch .venv/installed-dev
