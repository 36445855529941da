# What there is to do from the root of the course. `make` alone prints it.
#
# Variables of `make grade`; paths may contain spaces: make grade SUBMISSIONS="my class" OUT="my results"
SUBMISSIONS = grader/examples
OUT = results
LABS =
JOBS =
# The Python that runs everything; empty: the first that can (tools/find-python).
PYTHON =

# Through the environment the values reach the recipes unharmed, whatever characters they have.
export SUBMISSIONS OUT LABS JOBS
# In a recipe: puts the interpreter's path into $$python, or stops with the reason.
find_python = python='$(PYTHON)'; : "$${python:=$$(tools/find-python)}"; [ -n "$$python" ] || exit 1

.DEFAULT_GOAL := help
.PHONY: help grade compare peers test test-long endurance figures setup doctor format clean

help:
	@echo 'The course: seven labs of parallel programming in C, and the grader that scores them.'
	@echo
	@echo '  make grade        grade the bundled class, leave the marks in results/'
	@echo '                    SUBMISSIONS=dir OUT=dir   another class, another place'
	@echo '                    LABS=01,03  JOBS=2        some labs only, so many jobs at once'
	@echo '                    SPEED=yes                 measure speed, too, where a lab has a test of it (06)'
	@echo '  make compare      one product through every runtime: a table and a figure'
	@echo '  make peers        install the Python modules that make bench compares with'
	@echo '  make test         run every test of the project'
	@echo '  make test-long    the same, with the tests that take long'
	@echo '  make endurance    grade the solutions COUNT=1000 times and tell of every mark that was lost'
	@echo '  make figures      how long suites and classes take on this machine, and what the sandbox costs'
	@echo '  make doctor       look for faults of this machine, and print what cures them'
	@echo '  make setup        install the packages that are missing (grade and test do it too)'
	@echo '  make format       lay out C and Python as the project wants it'
	@echo '  make clean        remove what was built (not the results)'
	@echo
	@echo 'In a lab folder (labs/01-pool, ...), make builds and make check tells how far you are;'
	@echo 'make bench shows how fast.'

grade:
	@tools/setup grade
	@$(find_python); \
	exec "$$python" -m grader grade "$$SUBMISSIONS" --out "$$OUT" $${LABS:+--labs "$$LABS"} $${JOBS:+--jobs "$$JOBS"} \
	    $(if $(filter yes,$(SPEED)),--speed)

# QUICK=1: a small size only, to see whether everything works.
compare:
	@tools/setup grade
	@$(find_python); exec "$$python" -m grader compare $(if $(QUICK),--quick)

peers:
	@tools/setup peers

test:
	@tools/setup test
	@tools/run-tests

test-long:
	@tools/setup test
	@tools/run-tests --long

# Hours, on purpose beside other load; SCHEDULES=1: only the perturbed schedules, COUNT seeds for each lab.
COUNT = 1000
endurance:
	@tools/setup grade
	@tools/endurance $(if $(SCHEDULES),--schedules) $(COUNT)

figures:
	@tools/setup grade
	@tools/figures

setup:
	@tools/setup test

# Any python3 will do, and no package is needed: what is missing is what the doctor looks for.
doctor:
	@python=$$(command -v python3 || command -v /usr/bin/python3) || \
	    { echo 'There is no python3 on this machine, which even the doctor needs. Run: make setup' >&2; exit 1; }; \
	exec "$$python" -I grader/doctor.py

format:
	@tools/setup test
	@find common labs solutions -name '*.[ch]' -exec clang-format -i {} +
	@$(find_python); "$$python" -m black --quiet grader labs common

clean:
	rm -rf build .mypy_cache .pytest_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
