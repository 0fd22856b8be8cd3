# Everything here is done by desktop/bootstrap.py, in a virtual environment of its own (.venv).
#
#   make                        set up, and no more
#   make run                    the window       (make run ARGS="up laptop" for a command)
#   make test                   every test       (make test ARGS="tests/engine -x")
#   make bench | shots | lint   the figures | the documentation's pictures | ruff and mypy
#   make lock | clean           the lock anew | remove what was made here
#
#   make … PYTHON=python3.12    with that Python; else python3, or a later one if that is too old

PYTHON ?= python3
# A person's choice counts; the default of the line above gives way to a .venv that is there.
GIVEN := $(if $(filter file,$(origin PYTHON)),,--given)
ARGS ?=
# The name python3.12 may be a shim of pyenv, which runs the version that it is told here.
SHIM := $(if $(filter python3.%,$(PYTHON)),PYENV_VERSION=$(PYTHON:python%=%))

.DEFAULT_GOAL := setup
.PHONY: setup run test bench shots lint lock clean
setup run test bench shots lint lock clean:
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 or later is needed: there is no $(PYTHON) here." >&2; exit 1; }
	@$(SHIM) $(PYTHON) -E -s -m desktop.bootstrap $(GIVEN) $@ $(ARGS)
