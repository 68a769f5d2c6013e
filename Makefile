# The menu. Every target prepares .venv by itself from the pins of requirements.txt.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
MODEL  ?= models/mlp.py:digits
BUILD  ?= build/digits
BOARD  ?= ulx3s_85f
JOBS   ?= $(shell nproc)
SOURCES = hwflow models tests docs
# one thread a worker: two workers with two threads each wait for one another
PYTEST  = OMP_NUM_THREADS=1 $(BIN)/python -m pytest -rs -n $(JOBS) --dist loadfile
# torch's CPU wheels; the plain index holds the CUDA build, which is gigabytes larger
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu

.DEFAULT_GOAL := help
.PHONY: help demo train gpu hls test test-fast test-all tutorials first formal lint bench docs lock supply audit deploy doctor clean

help:          ## this list
	@echo "hwflow: binary neural networks from PyTorch to hardware, the same integers at every step"
	@echo
	@grep -hE '^[a-z%-]+: .*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z%-]+):.*## /  make \1|/' | awk -F'|' '{printf "%-18s %s\n", $$1, $$2}'
	@echo
	@echo "  MODEL=$(MODEL)  BUILD=$(BUILD)  BOARD=$(BOARD)"

demo: $(READY) ## digits from training to a bit-exact accelerator, with proof and a report
	$(BIN)/hwflow demo

train: $(READY) ## train MODEL and export QONNX
	$(BIN)/hwflow train $(MODEL) -o $(BUILD)

# a machine with a GPU has its own torch: make gpu GPU_PYTHON=python3
GPU_PYTHON ?= $(BIN)/python
GPU_MODEL  ?= models/resnet.py:resnet20-gpu
MINUTES    ?= 4
gpu: $(if $(findstring $(BIN),$(GPU_PYTHON)),$(READY)) ## ResNet-20 on one GPU, a part of five minutes at most; again to go on, to the same end
	$(GPU_PYTHON) -m hwflow train $(GPU_MODEL) -o build/gpu --minutes $(MINUTES) --resume

hls: $(READY)   ## the HLS C++ project of MODEL, simulated under g++ and proven equal
	$(BIN)/hwflow hls $(MODEL) -o $(BUILD)

test: lint      ## every test, lint and types
	$(PYTEST) --durations=15

test-fast: $(READY) ## the tests of a few seconds each, under 3 minutes
	$(PYTEST) -m "not slow"

test-%: $(READY) ## (test-<room>) the tests of one room, such as test-units
	$(PYTEST) tests/$*

tutorials: $(READY) ## follow every tutorial from an empty folder with the installed wheel, bitstreams too, with times
	HWFLOW_TUTORIALS=all $(BIN)/python -m pytest -s tests/docs/test_tutorials.py

first: $(READY) ## how long a newcomer waits: installation, demo, the first output of every verb
	$(BIN)/python docs/gen_first.py

formal: $(READY) ## proofs of what moves words: nothing lost, doubled or overtaken, progress
	$(PYTEST) tests/formal

test-all: $(READY) ## every test, 200 random shapes of each hardware unit instead of 24, 100 images of each network; an hour
	HWFLOW_SHAPES=200 HWFLOW_IMAGES=100 $(PYTEST) --durations=15

lint: $(READY)  ## ruff (rules and format) and mypy
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/mypy --config-file tests/mypy.ini tests

bench: $(READY) ## the tables of docs/pages/results
	$(BIN)/hwflow bench --write docs/pages/results

docs: $(READY) ## the documentation as a site in build/site, links checked
	$(BIN)/python docs/gen_cli.py
	$(BIN)/python docs/gen_operators.py
	$(BIN)/python docs/gen_notebooks.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet -f docs/mkdocs.yml

lock: $(READY) ## requirements.lock: every package with its hashes, from requirements.txt (needs uv)
	$(BIN)/python docs/gen_supply.py lock

supply: $(READY) ## licences and the bill of materials (CycloneDX) of what is locked
	$(BIN)/python docs/gen_supply.py pages

audit: $(READY) ## is .venv what requirements.lock says, file by file; asks no network
	$(BIN)/python docs/gen_supply.py audit

deploy: $(READY) ## bitstream or vendor project, driver and self-test of BUILD for BOARD
	$(BIN)/hwflow compile $(MODEL) --board $(BOARD) -o $(BUILD)
	$(BIN)/hwflow deploy $(BUILD) --board $(BOARD)

doctor: $(READY) ## what is installed, what each missing tool would add
	$(BIN)/hwflow doctor

clean:         ## remove build/ (not .venv)
	rm -rf build

$(READY): requirements.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 10) else "hwflow needs Python 3.10 or newer; this is " + sys.version.split()[0] + ": make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --retries 1 --extra-index-url $(TORCH_INDEX) $$(sed -n 's/^\(torch==[^ ]*\).*/\1/p' requirements.txt)
	$(BIN)/python -m pip install --quiet -r requirements.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@
