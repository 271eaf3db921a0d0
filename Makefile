# make test: create the environment, install, run every test, in two processes with a thread of linear algebra each.
# make test-extras: the tests that need more: a page in a browser (Debian: apt-get install chromium chromium-driver).
# make demo: the same for the demonstration.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin

.PHONY: test test-extras demo clean

test: $(VENV)/installed-test
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

EXTRAS = tests/report

test-extras: $(VENV)/installed-test,browser
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest $(EXTRAS) -n 2 --dist loadfile

demo: $(VENV)/installed-plot,fast
	$(BIN)/python -m benchmarks.demo

# one stamp per set of extras: `make VENV=... test` twice installs once
$(VENV)/installed-%: setup.cfg pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[$*]'
	touch '$@'

clean:
	rm -rf $(VENV) build *.egg-info
