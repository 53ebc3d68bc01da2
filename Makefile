# `make` prints what there is. Everything runs in .venv, which the first command sets up.
PYTHON ?= python3
JOBS ?= 2
TARGET ?= sim-small
IMAGES ?= 16
BUILD ?= build

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.stamp

.DEFAULT_GOAL := help
.PHONY: help venv sim sim-imagenet test test-all lint train bench family netlists verilog bitstream docs clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

venv: $(STAMP) ## set up .venv with the pinned packages

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "$(PYTHON) is older than 3.11; give a newer one: make PYTHON=python3.12" >&2; exit 2; }
	@for tool in perl c++; do command -v $$tool >/dev/null || \
	  { echo "$$tool is missing; install it (Debian: apt install perl g++)" >&2; exit 2; }; done
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[train,board,onnx,report,explore,docs,dev]'
	@touch $@

sim: $(STAMP) ## unit benches, then IMAGES test images through the whole accelerator
	$(BIN)/pytest tests/rtl_gen tests/sim -m "not slow" -n $(JOBS) --dist loadfile -q \
	  --junitxml=$(BUILD)/sim/units.xml
	$(BIN)/hwflow sim --images $(IMAGES) --target $(TARGET) --out $(BUILD)/sim

sim-imagenet: TARGET = zu7ev
sim-imagenet: $(STAMP) ## a random PokeBNN-1.0x at 224x224 through the RTL, every layer compared and timed
	$(BIN)/hwflow sim-imagenet --target $(TARGET) --out $(BUILD)/imagenet

family: $(STAMP) ## time and cycles against width, 0.5x to 2.0x, also in RTL
	$(BIN)/python -m bench.family --rtl

test: $(STAMP) ## every test but the slow ones
	$(BIN)/pytest -m "not slow" -n $(JOBS) --dist loadfile --durations=10

test-all: $(STAMP) ## every test
	$(BIN)/pytest -n $(JOBS) --dist loadfile --durations=10

lint: $(STAMP) ## ruff and pyright
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

train: $(STAMP) ## train the small network on Fashion-MNIST: make train DATA=folder-of-IDX-files
	$(BIN)/hwflow train $(if $(DATA),--data $(DATA))

bench: $(STAMP) ## measure the speed of each stage, append to bench/history.jsonl
	$(BIN)/python -m bench

netlists: $(STAMP) ## the units' benches on their ECP5 netlists
	$(BIN)/hwflow netlist --out $(BUILD)/netlists

verilog: $(STAMP) ## Verilog of TARGET in build/verilog
	$(BIN)/hwflow verilog --target $(TARGET) --out $(BUILD)/verilog/$(TARGET)

bitstream: BOARD = ulx3s-85f
bitstream: $(STAMP) ## a bitstream of BOARD and what it takes, in build/bitstream
	$(BIN)/hwflow bitstream --board $(BOARD)

docs: $(STAMP) ## the documentation as a site in build/site; a warning is an error
	$(BIN)/python -m docs.generate
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --site-dir $(BUILD)/site

clean: ## remove everything made, .venv included
	rm -rf $(VENV) $(BUILD) .cache .pytest_cache .ruff_cache .hypothesis *.egg-info
	find . -name __pycache__ -prune -exec rm -rf {} +
