# make test: create the environment, install, run every test, in two processes with a thread of linear algebra each.
# make test-extras: the tests that need more (JAX and its libraries, pandas, a browser: Debian's chromium and
# chromium-driver), in an environment of their own.
# make demo: the same as make test for the demonstration.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin

EXTRAS = tests/extras tests/importers tests/report

.PHONY: test test-extras run-extras demo clean

test: $(VENV)/installed-test
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

test-extras:
	$(MAKE) VENV=$(VENV)-extras run-extras

run-extras: $(VENV)/installed-test,extras
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile $(EXTRAS)

demo: $(VENV)/installed-plot,fast
	$(BIN)/python -m benchmarks.demo

# one stamp per set of extras: `make VENV=... test` twice installs once
$(VENV)/installed-%: setup.cfg pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[$*]'
	touch '$@'

clean:
	rm -rf $(VENV) $(VENV)-extras build *.egg-info
