# lab.mk: the build rules that every lab shares. A lab's facts (its program, the
# files to submit, ...) come from its lab.toml; see `python3 -m grader facts LAB`.
#
# Solution, skeleton and submission are built by the same rules; only SUBMIT, the
# folder that the student's files are taken from, differs. What we wrote is built
# into GIVEN, what the student wrote into OUT, both out of this tree.

LAB    := $(notdir $(CURDIR))
COURSE := ../..
BUILD  ?= $(COURSE)/build
# Absolute, however it was given: the names in the .d files have to be those of the next make, too.
override BUILD := $(abspath $(BUILD))
SUBMIT ?= .
GIVEN  ?= $(BUILD)/given/$(LAB)
OUT    ?= $(BUILD)/$(LAB)
FACTS  ?= $(GIVEN)/facts.mk
PYTHON ?= $(shell $(COURSE)/tools/find-python)
GRADER  = PYTHONPATH=$(COURSE) $(PYTHON) -m grader

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SECONDARY:

$(FACTS): lab.toml ../course.toml
	@mkdir -p $(@D)
	@$(GRADER) facts $(LAB) >$@.new && mv $@.new $@
include $(FACTS)

# ---- compilers and flags --------------------------------------------------
# plain: what is demonstrated and measured. asan: memory errors, leaks, undefined
# behaviour. tsan: data races; gcc's runtime reports false ones with OpenMP, clang
# with Archer does not.

CC_plain  = gcc
CC_asan   = gcc
CC_tsan   = clang
WARNINGS  = -Wall -Wextra -Wpedantic -Wshadow -Wconversion
CFLAGS    = -std=gnu17 -D_GNU_SOURCE -g $(WARNINGS) $(CFLAGS_$(FLAVOUR)) $(CFLAGS_$(RUNTIME))
CFLAGS_plain = -O3 -march=native
CFLAGS_asan  = -O1 -fsanitize=address,undefined -fno-omit-frame-pointer
CFLAGS_tsan  = -O0 -fsanitize=thread
# What takes the sanitizer away from a function is read as nothing; the screen refuses what undoes this.
CFLAGS_asan += $(KEEP_CHECKS)
CFLAGS_tsan += $(KEEP_CHECKS)
KEEP_CHECKS  = '-Dno_sanitize(...)=' '-D__no_sanitize__(...)=' \
               $(foreach k,address undefined thread,-Dno_sanitize_$k= -D__no_sanitize_$k__=) \
               -Dno_address_safety_analysis= -D__no_address_safety_analysis__= -Ddisable_sanitizer_instrumentation=
# A tail call would hide the student's line from the trace: the callee returns to the caller's caller.
CFLAGS_mpi   = $(shell mpicc --showme:compile) -fno-optimize-sibling-calls -fopenmp-simd
CFLAGS_openmp = -fopenmp
CFLAGS_opencl = -DCL_TARGET_OPENCL_VERSION=300 -DCL_USE_DEPRECATED_OPENCL_1_2_APIS
LDLIBS    = $(LDLIBS_$(RUNTIME)) -lm
LDLIBS_mpi    = $(shell mpicc --showme:link)
LDLIBS_opencl = -lOpenCL
LDLIBS_openmp = -fopenmp
ifneq ($(filter openmp opencl,$(RUNTIME)),)
LDLIBS   += -lopenblas
endif

# In every rule below the flavour is the folder that the target lies in.
FLAVOUR   = $(notdir $(patsubst %/,%,$(@D)))
COMPILE   = $(CC_$(FLAVOUR)) $(CFLAGS) -I. -I$(COURSE)/common $(WHOLE)
# A file that is made is there whole or not at all, also when the compiler is killed: half an object
# would look newer than its source for ever after. What it depends on is noted without the name of the
# course's folder, which may be moved or copied together with what was built in it.
WHOLE     = -MMD -MP -MF $(@:.o=.d) -MT '$(patsubst $(BUILD)/%,$$(BUILD)/%,$@)' -c $< -o $@.new && mv -f $@.new $@

# ---- what is given: main.o and the parts of common/ a program uses ---------

PROGRAM_PARTS = npy npy_header rng clock witness leak_check $(PARTS_$(RUNTIME))
PARTS_process = engines perturb
PARTS_openmp  = gate tsan_openmp
PARTS_opencl  = ocl_trace ocl_calls ocl_error
PARTS_mpi     = $(patsubst $(COURSE)/common/%.c,%,$(sort $(wildcard $(COURSE)/common/mpi_trace*.c)))

# Where a submission is built, main.c is not to be seen, and what is given is finished.
GIVEN_PARTS = main $(PROGRAM_PARTS)
given: $(foreach f,$(FLAVOURS),$(GIVEN_PARTS:%=$(GIVEN)/$f/%.o))

define given_rules
$(GIVEN)/$1/%.o: $(COURSE)/common/%.c
	@mkdir -p $$(@D)
	@$$(COMPILE)
$(GIVEN)/$1/main.o: main.c
	@mkdir -p $$(@D)
	@$$(COMPILE)
endef
$(foreach f,$(FLAVOURS),$(eval $(call given_rules,$f)))

# ---- what the student wrote ------------------------------------------------

SOURCES = $(filter %.c,$(SUBMIT_FILES))
OBJECTS = $(foreach f,$(FLAVOURS),$(SOURCES:%.c=$(OUT)/$f/%.o))
PROGRAMS = $(FLAVOURS:%=$(OUT)/%/$(PROGRAM))

objects: $(OBJECTS)
link: $(PROGRAMS)

# Some of the student's calls come to common/ first: OpenCL's, to count objects; read, write, ... in
# the labs with processes, and atomic reads, to make them slow (and short) on demand. main.c's go where they always go.
RENAME_process = $(call renames,perturb.h,perturb_)
RENAME_opencl  = $(call renames,ocl_calls.h,trace_)
RENAME_openmp  = $(foreach n,32 64,--redefine-sym __tsan_atomic$(n)_load=late_atomic$(n)_load)
renames = $(foreach f,$(sort $(shell grep -o '$2[a-zA-Z_]*' $(COURSE)/common/$1)),--redefine-sym $(f:$2%=%)=$f)

# Built again when the files are taken from another folder than last time, whatever their dates.
$(OUT)/submit: FORCE
	@mkdir -p $(@D)
	@echo '$(SUBMIT)' | cmp -s - $@ || echo '$(SUBMIT)' >$@

define student_rules
$(OUT)/$1/%.o: $(SUBMIT)/%.c $(OUT)/submit
	@mkdir -p $$(@D)
	@$$(COMPILE)
# Of the student's names only the lab's interface stays visible: a helper called
# run or check cannot clash with ours, and nothing of ours can be replaced.
$(OUT)/$1/student/%.o: $(OUT)/$1/%.o
	@mkdir -p $$(@D)
	@objcopy $(EXPORTS:%=--keep-global-symbol=%) $(RENAME_$(RUNTIME)) $$< $$@
$(OUT)/$1/$(PROGRAM): $(SOURCES:%.c=$(OUT)/$1/student/%.o) $(if $(wildcard main.c),$(GIVEN_PARTS:%=$(GIVEN)/$1/%.o))
	@$$(CC_$1) $$(CFLAGS) $(SOURCES:%.c=$(OUT)/$1/student/%.o) $(GIVEN_PARTS:%=$(GIVEN)/$1/%.o) $$(LDLIBS) -o $$@
endef
$(foreach f,$(FLAVOURS),$(eval $(call student_rules,$f)))

# ---- the benchmark: bench.o in the place of main.o, and none of the layers that watch a student's calls ----

BENCH_PARTS = bench race rng clock $(BENCH_PARTS_$(RUNTIME))
BENCH_PARTS_process = engines
BENCH_PARTS_opencl  = ocl_error
BENCH_PARTS_mpi     = race_mpi

bench-program: $(OUT)/plain/bench
$(GIVEN)/plain/bench.o: bench.c
	@mkdir -p $(@D)
	@$(COMPILE)
$(OUT)/plain/watched-by-none/%.o: $(OUT)/plain/%.o
	@mkdir -p $(@D)
	@objcopy $(EXPORTS:%=--keep-global-symbol=%) $< $@
$(OUT)/plain/bench: $(SOURCES:%.c=$(OUT)/plain/watched-by-none/%.o) $(if $(wildcard bench.c),$(BENCH_PARTS:%=$(GIVEN)/plain/%.o))
	@$(CC_plain) $(CFLAGS) $(filter %.o,$^) $(LDLIBS) -lopenblas -o $@

-include $(wildcard $(GIVEN)/*/*.d $(OUT)/*/*.d)

# ---- the suite and the reaper, which never meet the student's code ----------

SUITE_DIR   = $(BUILD)/suites
RUN_PARTS   = judge explain explain_race source_line run listener words proc folder clock rng npy npy_header
SUITE_PARTS = suite $(RUN_PARTS) $(SUITE_PARTS_$(RUNTIME))
SUITE_PARTS_opencl = ocl_story ocl_error explain_kernel
SUITE_PARTS_mpi = $(patsubst $(COURSE)/common/%.c,%,$(sort $(wildcard $(COURSE)/common/mpi_story*.c)))
SUITE_CFLAGS = -std=gnu17 -D_GNU_SOURCE -g -O2 $(WARNINGS) -I. -I$(COURSE)/common $(shell pkg-config --cflags check)

suite: $(SUITE_DIR)/$(SUITE) $(SUITE_DIR)/reaper $(SUITE_DIR)/timerun

$(SUITE_DIR)/common/%.o: $(COURSE)/common/%.c
	@mkdir -p $(@D)
	@gcc $(SUITE_CFLAGS) $(WHOLE)
$(SUITE_DIR)/$(SUITE).o: $(SUITE).c
	@mkdir -p $(@D)
	@gcc $(SUITE_CFLAGS) $(WHOLE)
# Linked aside and renamed, since another grader may be running the one that is there.
LINK_SUITE  = gcc $^ $(shell pkg-config --libs check) -lseccomp -lm -o $@.new && mv $@.new $@
$(SUITE_DIR)/$(SUITE): $(patsubst %,$(SUITE_DIR)/common/%.o,$(SUITE_PARTS)) $(SUITE_DIR)/$(SUITE).o
	@$(LINK_SUITE)
$(SUITE_DIR)/timerun: $(patsubst %,$(SUITE_DIR)/common/%.o,timerun $(RUN_PARTS))
	@$(LINK_SUITE)
$(SUITE_DIR)/mpi_chart: $(patsubst %,$(SUITE_DIR)/common/%.o,mpi_chart $(SUITE_PARTS))
	@$(LINK_SUITE)
$(SUITE_DIR)/reaper: $(patsubst %,$(SUITE_DIR)/common/%.o,reaper syscall_filter proc stack folder words clock)
	@$(LINK_SUITE)
-include $(wildcard $(SUITE_DIR)/*.d $(SUITE_DIR)/common/*.d)

# ---- what people type -------------------------------------------------------

RANKS ?= 4
# libgomp's waiting threads spin for long, which on a busy machine keeps the others from their core.
RUN_openmp = env GOMP_SPINCOUNT=10000
RUN_mpi = env OMP_NUM_THREADS=1 $(MPI_AS_ROOT) mpirun -n $(RANKS) --map-by :OVERSUBSCRIBE
ifeq ($(shell id -u),0)
MPI_AS_ROOT = OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
endif

all: given $(OUT)/plain/$(PROGRAM)
	@echo "built $$(realpath --relative-to=. $(OUT))/plain/$(PROGRAM); next: make demo, make check"

demo: given $(OUT)/plain/$(PROGRAM)
	@mkdir -p $(OUT)/demo
	@cp $(filter-out %.c,$(SUBMIT_FILES:%=$(SUBMIT)/%)) $(OUT)/demo/ 2>/dev/null || true
	@cd $(OUT)/demo && $(RUN_$(RUNTIME)) ../plain/$(PROGRAM)

check:
	@$(GRADER) check $(LAB) $(SUBMIT) $(if $(TEST),--test $(TEST)) $(if $(SEED),--seed $(SEED)) \
	    $(if $(filter yes,$(SPEED)),--speed)

# The next hint for the first failing test; a check at every save; the skeleton again.
hint watch:
	@$(GRADER) $@ $(LAB) $(SUBMIT)
reset:
	@$(GRADER) reset $(LAB)
progress:
	@$(GRADER) progress

# The demo once more, with every MPI call written down: who sent what to whom, and who waited. A demo
# that hangs is ended after CHART_SECONDS, and the chart shows where.
CHART_SECONDS ?= 20
CHART_DIR = $(OUT)/chart
ifneq ($(RUNTIME),mpi)
chart:
	@echo 'make chart shows messages between ranks: it is for the labs with MPI, 03 to 05'
else
chart: given $(OUT)/plain/$(PROGRAM) $(SUITE_DIR)/mpi_chart
	@rm -rf $(CHART_DIR) && mkdir -p $(CHART_DIR)
	@cd $(CHART_DIR) && LAB_MPI_TRACE=. timeout $(CHART_SECONDS) $(RUN_$(RUNTIME)) ../plain/$(PROGRAM) || true
	@$(SUITE_DIR)/mpi_chart $(CHART_DIR) $(RANKS) $(OUT)/plain/$(PROGRAM) $(OUT)/chart.svg
endif

# This folder's code, or that of SUBMIT, beside what the field uses: a table, and figures in build/bench.
bench:
	@$(GRADER) bench $(LAB) $(SUBMIT) $(if $(QUICK),--quick) $(if $(HOSTFILE),--hostfile '$(HOSTFILE)')

clean:
	rm -rf $(OUT) $(GIVEN)

.PHONY: all given objects link suite demo check hint watch reset progress chart bench bench-program clean FORCE
