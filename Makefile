# Dispatch. `make` alone lists the targets. Each one makes the pinned environment in .venv first, where there is none.
PYTHON ?= python3
WORKERS ?= 3
# Updates of `make train`, and the splits that it measures.
STEPS ?= 17500
PAIRS ?= 700000
SPLITS := seen unseen unseen_places unseen_numbers unseen_combinations unseen_phrasings noisy reordered two_incidents \
    not_requests issued declined no_place caller_elsewhere other_numbers
# The bundle that `make train-on` begins with.
BASE ?= dispatch/bundles/default
# What `make ablations` tells its benchmark, such as --only base; without it every variant is trained.
VARIANTS ?=
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input install --quiet --constraint constraints.txt

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint format protos check-protos release-protos train train-on ablations prove parity crash-store trace-store crash trace faults fuzz bench-serve bench-console overload soak pictures clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' Makefile

setup: $(STAMP) ## Make the pinned environment in .venv

# The stamp is removed first and written last: a half-made environment has none, and is made anew from nothing.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "Dispatch needs Python 3.11 or newer, and $(PYTHON) is not: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@{ test -f $@ && $(BIN)/python -c ''; } 2>/dev/null || $(PYTHON) -m venv --clear $(VENV) || { \
	    echo "$(PYTHON) -m venv failed; Debian and Ubuntu have it in the package python3-venv" >&2; exit 1; }
	@rm -f $@
	@echo "Installing the pinned packages into $(VENV); this takes a few minutes the first time."
	$(PIP) pip setuptools hatchling
	$(PIP) torch
	$(PIP) --no-build-isolation --editable '.[dev]'
	@touch $@

demo: $(STAMP) ## Start a server, ask it for instructions, show what it stored
	$(BIN)/dispatch demo

test: lint check-protos ## Everything that must pass: style, types, imports, protos, tests, coverage
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal --cov=dispatch --cov=training --cov-fail-under=90

lint: $(STAMP) ## Style, types and the import rules
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/python -m mypy
	$(BIN)/lint-imports --no-logo

format: $(STAMP) ## Format the code and mend what can be mended
	$(BIN)/ruff check --fix-only
	$(BIN)/ruff format

protos: $(STAMP) ## Generate dispatch/v1 from protos/
	$(BIN)/python tools/protos.py generate

check-protos: $(STAMP) ## Lint the protos, hold them compatible, and dispatch/v1 current
	$(BIN)/python tools/protos.py check

release-protos: $(STAMP) ## Record the present interface as the released one
	$(BIN)/python tools/protos.py release

TRAIN = OMP_WAIT_POLICY=ACTIVE $(BIN)/dispatch train --pairs runs/pairs/train.jsonl --valid runs/pairs/valid.jsonl \
	--name default --card data/default_card.md --batch-tokens 8192 --dropout 0 --label-smoothing 0.05 --validate-every 500
TRAIN_DEFAULT = $(TRAIN) --out runs/default --preset default --max-steps $(STEPS) --peak-lr 4e-3 --warmup-steps 200 \
	--cooldown-steps 3500 --seed 1

# What a trained bundle is told of itself and measured by; $(1) is the folder of its run.
define measure
	$(BIN)/dispatch calibrate $(1)/bundle runs/pairs/valid.jsonl runs/pairs/valid_unseen.jsonl
	$(BIN)/dispatch evaluate $(1)/bundle $(SPLITS:%=runs/pairs/%.jsonl) --write-metrics --html $(1)/results.html
	$(BIN)/python tools/plots.py $(1)/bundle --out $(1)
endef

runs/pairs/train.jsonl: | $(STAMP)
	$(BIN)/dispatch synthesize --out runs/pairs --pairs $(PAIRS) --seed 1

# Two stages of 100 minutes at most; interrupted, it goes on from its last checkpoint.
train: $(STAMP) runs/pairs/train.jsonl ## Make the pairs, train the shipped model into runs/, measure and draw it (four to five hours on 2 idle cores)
	$(TRAIN_DEFAULT) --max-minutes 100
	$(TRAIN_DEFAULT)
	$(call measure,runs/default)

train-on: $(STAMP) runs/pairs/train.jsonl ## Train the bundle BASE on over the pairs, into runs/trained-on, measure and draw it (80 minutes on 2 idle cores)
	$(TRAIN) --out runs/trained-on --init $(BASE) --max-steps 4500 --peak-lr 6e-4 --warmup-steps 800 --cooldown-steps 3000 --seed 2
	$(call measure,runs/trained-on)

ablations: $(STAMP) runs/pairs/train.jsonl ## Measure what each choice of the shipped model is worth, on short trainings (hours on 2 idle cores; goes on where it was)
	OMP_WAIT_POLICY=ACTIVE $(BIN)/python benchmarks/ablations.py --out runs/ablations $(VARIANTS)

prove: $(STAMP) ## Prove on 200,000 pairs that no split leaks, and of 100,000 that their plans read back (about six minutes)
	$(BIN)/python tests/training/synthesis/test_splits.py 200000
	$(BIN)/python tests/training/synthesis/test_pairs.py 100000

parity: runs/exported ## Prove on 2,000 reports that CTranslate2 writes what torch writes (about ten minutes)
	$(BIN)/python benchmarks/parity.py --bundle runs/exported --reports 2000

crash-store: $(STAMP) ## Kill a writer of the store 50 times on SQLite and 20 times on PostgreSQL; no answered row may be lost
	$(BIN)/python -m tests.store.test_crashes sqlite 50
	$(BIN)/python -m tests.store.test_crashes postgresql 20

fuzz: $(STAMP) ## Send a server 100,000 mutated messages and 20,000 hostile texts; none may break it (about ten minutes)
	$(BIN)/python -m tests.integration.robustness --messages 100000 --strings 20000

trace-store: $(STAMP) ## Show by strace that SQLite syncs its log before anybody is answered
	$(BIN)/python -m tests.store.trace

crash: $(STAMP) ## Kill the whole server under load, 50 times on SQLite and 20 times on PostgreSQL (about fifteen minutes)
	$(BIN)/python -m tests.integration.test_crashes sqlite 50
	$(BIN)/python -m tests.integration.test_crashes postgresql 20

trace: $(STAMP) ## Show by strace that the whole server syncs its log before a reply leaves
	$(BIN)/python -m tests.integration.trace

faults: $(STAMP) ## Disks full, read-only, broken and slow, PostgreSQL stopped and locked, SIGTERM, all under load (about five minutes)
	$(BIN)/python -m tests.integration.full_disk
	$(BIN)/python -m pytest -n 0 tests/integration

# A copy of the shipped bundle with its export for CTranslate2, which is what a server on a processor runs.
runs/exported: $(STAMP) dispatch/bundles/default/SHA256SUMS
	rm -rf $@ && mkdir -p runs && cp -r dispatch/bundles/default $@
	$(BIN)/dispatch export $@

bench-serve: runs/exported ## Measure what the service costs beside its engine, on an idle machine (about six minutes)
	$(BIN)/python benchmarks/serve.py overhead --bundle runs/exported --out runs/overhead.json

bench-console: runs/exported ## Measure the console over 100,000 rows and under 50 calls a second (about five minutes)
	$(BIN)/python benchmarks/console.py --bundle runs/exported --out runs/console.json

overload: runs/exported ## Offer ten times what the server can answer for a minute, on an idle machine (about three minutes)
	$(BIN)/python benchmarks/serve.py overload --bundle runs/exported --out runs/overload.json

soak: runs/exported ## Mixed calls for half an hour; the server must hold at the end what it held when it was warm
	$(BIN)/python benchmarks/serve.py soak --bundle runs/exported --out runs/soak.json

pictures: $(STAMP) ## Photograph the console's pages for docs/console.md
	$(BIN)/python tools/console_pictures.py dispatch/bundles/default --out docs/pictures

clean: ## Remove the environment, caches and build outputs
	rm -rf $(VENV) build dist htmlcov .coverage .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
