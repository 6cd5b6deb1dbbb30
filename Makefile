# `make help` says what each target does.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# The newest Python on the path that the pinned versions have wheels for.
PYTHON ?= $(firstword $(foreach name,python3.13 python3.12 python3.11 python3,\
	$(if $(shell $(name) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>&1 || echo old),,$(name))))
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
DATA ?= ../shared/data
BACKBONE ?= ../shared/weights/mobilenet_v2_1.0_imagenet_no_top.weights.h5
MODEL := src/hematovision/models/blood_cell
# TensorFlow returns memory to the system at every step; this allocator keeps it.
ALLOCATOR := $(firstword $(wildcard /usr/lib/*/libtcmalloc_minimal.so.4))
LEARN := $(if $(ALLOCATOR),LD_PRELOAD=$(ALLOCATOR) TCMALLOC_RELEASE_RATE=0) $(BIN)/hematovision
# Further catalogues that translate what has no translation yet.
FROM ?=
# What a target that measures is told.
ARGUMENTS ?=
# A finished locator.onnx to take in the place of teaching one.
LOCATOR ?=

.PHONY: help run setup test lint audit secrets sbom bench bench-compare fuzz load capacity train folds evaluate int8 quick evaluate-int8 evaluate-quick notebook pictures translations lock clean

help: ## Say what each target does
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 22

run: .venv/light ## Serve the page; sets up what it needs the first time
	$(BIN)/hematovision serve

setup: .venv/full ## Set up everything: training, tests, tools
	@echo "Ready: $(BIN)/hematovision"

test: setup lint ## Check style and types, then run all tests with coverage
	mkdir -p build
	$(BIN)/python -W 'ignore:Unable to activate pytest branch:RuntimeWarning' \
	  -m slipcover --json --out build/coverage.json \
	  -m pytest -n 4 --dist loadfile --no-loadscope-reorder
	$(BIN)/python -m slipcover --merge build/coverage.json --out build/coverage.json --fail-under 95

lint: .venv/full ## Check style, types, floors, secrets and known weaknesses
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(MAKE) --no-print-directory -j 2 audit secrets

audit: .venv/full ## Ask whether weaknesses of the pinned versions are known
	$(BIN)/python .ci/audit.py

secrets: .venv/full ## Look for secrets that nobody has said are none
	$(BIN)/python .ci/secret_scan.py

sbom: .venv/full ## List what a plain installation holds, in docs/sbom.json
	$(BIN)/python .ci/sbom.py

bench: .venv/full ## Measure how fast photos are read, reviewed and found again, and the record is proved
	$(BIN)/python benchmarks/bench.py
	$(BIN)/python -m benchmarks.history
	$(BIN)/python -m benchmarks.audit

bench-compare: quick ## Measure HematoVision beside a plain Flask program; ARGUMENTS="--seconds 5"
	$(BIN)/python -m benchmarks.compare --data $(DATA) --model float32=$(MODEL) --model quick=runs/quick $(ARGUMENTS)

fuzz: .venv/full ## Send 100,000 mutated pictures, 10,000 mutated ZIPs, and whatever the API may get
	$(BIN)/python -m fuzzing.images --number 100000
	$(BIN)/python -m fuzzing.archives --number 10000
	$(BIN)/python -m fuzzing.api

load: .venv/full ## Press a real server with 64 clients for five minutes; ARGUMENTS="--seconds 60"
	$(BIN)/python -m benchmarks.load $(ARGUMENTS)

capacity: .venv/full ## Predict what was measured, and plan beyond; tables and plots of docs/scaling.md
	$(BIN)/python -m benchmarks.capacity $(ARGUMENTS)

train: .venv/full ## Make the model folder from the pictures in DATA
	$(LEARN) train --data $(DATA) --backbone-weights $(BACKBONE) \
	  $(if $(LOCATOR),--locator $(LOCATOR))

folds: .venv/full ## Make the recipe's model without each fifth of BCCD, and score that
	$(LEARN) folds --data $(DATA) --backbone-weights $(BACKBONE)

evaluate: .venv/full ## Measure the model on the pictures in DATA; plots in runs/report.html
	mkdir -p runs
	$(BIN)/hematovision evaluate --data $(DATA) --backbone-weights $(BACKBONE) --leaky \
	  --robustness $(if $(wildcard runs/folds),--folds runs/folds) \
	  --run-log docs/official_runs.csv --html runs/report.html \
	  --output $(MODEL)/evaluation.json
	$(BIN)/hematovision model card --output $(MODEL)/card.md
	$(BIN)/hematovision model looks --data $(DATA)

runs/int8/bundle.json: $(MODEL)/bundle.json | .venv/full
	$(BIN)/hematovision model quantize --data $(DATA) --output runs/int8

runs/quick/bundle.json: | runs/int8/bundle.json
	HEMATOVISION_MODEL_FOLDER=runs/int8 $(BIN)/hematovision model quicken --views 2 --output runs/quick

int8: runs/int8/bundle.json ## Make the model's twin in whole numbers, in runs/int8; takes minutes

quick: runs/quick/bundle.json ## Make of it, in runs/quick, one that looks twice at every cell, of four times

# Measures the model in a folder of runs beside the one that is shipped.
define beside
	HEMATOVISION_MODEL_FOLDER=runs/$(1) $(BIN)/hematovision evaluate --data $(DATA) \
	  --only official --only pbc --only jtsc --only locator --only beside --beside $(MODEL) \
	  --output runs/$(1).json
	$(BIN)/python -m benchmarks.int8 --data $(DATA) --twin runs/$(1)
endef

evaluate-int8: int8 ## Measure the twin beside the model
	$(call beside,int8)

evaluate-quick: quick ## Measure the quick one beside the model
	$(call beside,quick)

notebook: .venv/full ## Run notebooks/model.ipynb anew, on the pictures in DATA
	HEMATOVISION_NOTEBOOK_DATA=$(DATA) HEMATOVISION_NOTEBOOK_WEIGHTS=$(BACKBONE) \
	  $(BIN)/python notebooks/execute.py

pictures: .venv/full ## Take the pictures of README and tour anew, those of photos in DATA
	$(BIN)/python docs/images/take.py --data $(DATA)
	$(BIN)/python docs/images/tour.py

translations: .venv/light ## Bring the catalogues of all languages up to date
	$(BIN)/python -m hematovision.web.catalogues $(FROM)

lock: ## Make constraints.txt again, with the newest versions
	rm -rf build/lock && mkdir -p build
	$(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip --disable-pip-version-check install --quiet '.[train,scale,dev]'
	build/lock/bin/python -m pip freeze --exclude hematovision > build/versions.txt
	{ head -n 1 constraints.txt; cat build/versions.txt; \
	  sed -n 's/^tensorflow.cpu==/tensorflow==/p' build/versions.txt; } > build/constraints.txt
	mv build/constraints.txt constraints.txt
	rm -rf build/lock build/versions.txt

clean: ## Remove the environment and everything that was made
	rm -rf .venv build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache

.venv/.made:
	@test -n "$(PYTHON)" && $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "HematoVision needs Python 3.11 or newer; name yours with: make PYTHON=/path/to/python3" >&2; exit 1; }
	$(PYTHON) -m venv .venv || \
	  { rm -rf .venv; echo "Python's venv module is missing; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@touch $@

.venv/light: pyproject.toml constraints.txt | .venv/.made
	$(PIP) install --quiet -c constraints.txt -e .
	@touch $@

.venv/full: pyproject.toml constraints.txt | .venv/.made
	$(PIP) install --quiet -c constraints.txt -e '.[train,scale,dev]'
	@touch $@ .venv/light
