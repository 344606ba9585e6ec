# Everything runs in a virtual environment of its own, .venv; PYTHON chooses which Python it is made from.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The processor build of torch is enough and much smaller; where pip finds only the one for GPUs, that one works too.
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt
# One process more than there are cores, as some wait for a browser or a server; whoever is idle takes tests from the
# others. Four at most: a test may hold a gigabyte.
PROCESSES := $(shell expr 1 + $$(getconf _NPROCESSORS_ONLN))
PARALLEL := -n $(PROCESSES) --maxprocesses 4 --dist worksteal
PYTEST := $(BIN)/pytest $(PARALLEL)

# What the benchmarks compare with: a commit, and other libraries, in environments of their own.
AGAINST ?= HEAD~1
.venv-pythae/installed: PEERS := pythae==0.1.2
.venv-peers/installed: PEERS := clustpy==0.0.3 faiss-cpu==1.15.1 cleanvision==0.3.7 scikit-learn umap-learn openTSNE

.PHONY: demo install test test-all test-lowest lint page bench bench-peers clean

demo: $(VENV)/installed ## the main job on the digits that come with scikit-learn; prints where the report is
	$(BIN)/narrows run digits --out runs/demo --overwrite

install: $(VENV)/installed

test: $(VENV)/tested ## the fast tests
	$(PYTEST)

test-all: $(VENV)/tested ## the slow ones too
	$(PYTEST) -m "slow or not slow"

# Old versions are warned of by what is newer than they are. Left out: what is of the pinned versions (their list, the bytes
# of matplotlib's pictures, ruff's style).
test-lowest: .venv-lowest/tested ## the fast tests, with the lowest versions that pyproject.toml allows
	.venv-lowest/bin/pytest $(PARALLEL) --override-ini filterwarnings=default \
		--ignore tests/test_dependencies.py --ignore tests/test_contributing.py -k "not committed_picture"

lint: $(VENV)/tested ## style and types
	$(BIN)/ruff check --no-cache .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

page: ## the explorer's page from its sources; needs Node
	cd web && npm ci --silent --no-audit --no-fund && npm run --silent build

bench: $(VENV)/installed .venv-pythae/installed ## loop and whole jobs beside others and the commit AGAINST, in one table
	$(BIN)/python bench/loop.py --pythae .venv-pythae/bin/python --against $(AGAINST)
	$(BIN)/python bench/whole.py --against $(AGAINST)
	$(BIN)/python bench/maps.py
	$(BIN)/python bench/bars.py

bench-peers: $(VENV)/installed .venv-peers/installed .venv-pythae/installed ## other libraries: docs/benchmarks.md
	$(BIN)/python bench/peers.py --peers-python .venv-peers/bin/python --pythae .venv-pythae/bin/python

clean:
	rm -rf .venv .venv-lowest .venv-pythae .venv-peers runs

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) torch
	$(INSTALL) --editable .
	touch $@

$(VENV)/tested: $(VENV)/installed
	$(INSTALL) --editable '.[dev]'
	touch $@

.venv-lowest/tested: pyproject.toml .ci/lowest
	$(PYTHON) -m venv .venv-lowest
	.ci/lowest > .venv-lowest/constraints.txt
	.venv-lowest/bin/pip install --quiet --disable-pip-version-check --constraint .venv-lowest/constraints.txt torch
	.venv-lowest/bin/pip install --quiet --disable-pip-version-check --constraint .venv-lowest/constraints.txt --editable '.[test]'
	touch $@

.venv-pythae/installed .venv-peers/installed: constraints.txt
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/pip install --quiet --disable-pip-version-check --constraint constraints.txt torch
	$(@D)/bin/pip install --quiet --disable-pip-version-check --constraint constraints.txt $(PEERS)
	touch $@
