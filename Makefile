# make test: create the environment, install, run every test.   make demo: the same for the demonstration.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin

.PHONY: test demo clean

test: $(VENV)/installed-test
	$(BIN)/python -m pytest

demo: $(VENV)/installed-plot,fast
	$(BIN)/python -m benchmarks.demo

# one stamp per set of extras: `make VENV=... test` twice installs once
$(VENV)/installed-%: setup.cfg pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[$*]'
	touch '$@'

clean:
	rm -rf $(VENV) build *.egg-info
