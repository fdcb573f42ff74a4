# The two commands of README.md are `make demo` and `make test`; each does all its own set-up.
.PHONY: demo test soak lint setup schemas security requirements
PY := .venv/bin/python
# Processes that share the tests, a file at a time; some tests compare times, so not more than there are cores.
WORKERS ?= 2

setup:
	@sh requirements/venv.sh
	@.venv/bin/holdpoint engine ensure

# The main job on a real target: an agent rewrites itself, and the changes wait for a person.
demo: setup
	@.venv/bin/holdpoint demo

lint:
	@sh requirements/venv.sh
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

# The files whose tests take longest are begun first, so that no worker is left with one of them at the end.
LONGEST = tests/end_to_end/test_self_improvement.py
FILES = $(LONGEST) $(filter-out $(LONGEST),$(wildcard tests/end_to_end/test_*.py)) \
	$(filter-out tests/end_to_end tests/conftest.py,$(patsubst %/,%,$(wildcard tests/*/ tests/*.py)))

# Fast tests first, so that a mistake shows early; about twelve minutes on two cores, ten is the goal. With RETRY=1 (CI, on a shared and
# noisy machine) what failed is run once more, alone, and named: such a test is to be mended.
tests = $(PY) -m pytest -q -n $(WORKERS) --dist loadfile --no-loadscope-reorder -m $(1) $(FILES) $(if $(RETRY),|| \
	{ echo "RETRY: what failed above is run once more by itself"; $(PY) -m pytest -q -rA --last-failed -m $(1); })

test: setup lint
	$(call tests,"not slow and not soak and not engine")
	$(call tests,"engine and not slow and not soak")
	$(call tests,"slow and not soak")

# Full counts, once before an issue is called resolved.
soak: setup
	$(PY) -m pytest -q -m soak

schemas:
	$(PY) -c "from pathlib import Path; from harness.cli.documents import write_schemas; write_schemas(Path('harness/cli/schemas'))"

# Renews the table of threats and probes in SECURITY.md.
security:
	$(PY) -c "from pathlib import Path; from harness.doctor.registry import PROBES; from harness.doctor.threats import with_table; path = Path('SECURITY.md'); path.write_text(with_table(path.read_text(), PROBES))"

# Renews the locks; needs pip-tools, and a reachable package index.
requirements:
	cd requirements && for name in runtime dev; do \
	  pip-compile -q --generate-hashes --allow-unsafe --strip-extras --no-annotate --no-header \
	    --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options $$name.in -o $$name.txt; done
