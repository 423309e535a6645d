# Both targets set everything up in .venv themselves; the second time they only do their job.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: run test results gpu-kit
.DELETE_ON_ERROR:

run: $(VENV)/.ready-run
	$(BIN)/python -m nova_bench run suites/tiny.yaml

test: $(VENV)/.ready-test
	$(BIN)/python -m pytest -m "not slow" -n auto

$(VENV)/bin/pip:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.ready-run: $(VENV)/bin/pip pyproject.toml constraints.txt
	$(PIP) --editable ".[demo]"
	$(PIP) --no-deps stlpips_pytorch==0.0.2 # for its weights alone, which st_lpips loads
	touch $@

$(VENV)/.ready-test: $(VENV)/.ready-run tests/oracles.txt
	$(PIP) --editable ".[demo,test]"
	$(PIP) --no-deps --requirement tests/oracles.txt
	touch $@

# Refreshes results/tiny, the blessed output of `make run`: everything but the videos themselves. With what the tests
# install, so that ST-LPIPS, optional in the suite, is among them.
results: $(VENV)/.ready-test
	$(BIN)/python -m nova_bench run suites/tiny.yaml --store runs/blessed
	$(BIN)/python results/collect.py runs/blessed results/tiny

# What benchmarks/gpu.py needs on a machine that has a GPU and no network.
gpu-kit: $(VENV)/.ready-test
	$(BIN)/python -m nova_bench assets fetch tag2text-tags kinetics-400
	$(BIN)/python benchmarks/gpu_kit.py build/gpu-kit
