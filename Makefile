# kl.  `make help` lists the targets; V=1 shows the commands.

PREFIX ?= /usr/local
CC ?= cc
OPT ?= -O2 -g
BUILD ?= build
SANITIZE ?=

LIB_PKGS = hdf5 libzip libcjson zlib libpng libjpeg libprotobuf-c
PKGS = lua5.4 $(LIB_PKGS)
WARNINGS = -Wall -Wextra -Wshadow -Wconversion
CFLAGS_ALL = -std=c11 -D_GNU_SOURCE $(WARNINGS) $(OPT) -fPIC -ffp-contract=off -fvisibility=default -fno-math-errno \
	-Isrc -I$(BUILD)/gen $(shell pkg-config --cflags $(PKGS)) $(CFLAGS)
LIBS = $(shell pkg-config --libs $(PKGS)) -lm -ldl -lpthread
ifneq ($(SANITIZE),)
CFLAGS_ALL += -fsanitize=$(SANITIZE) -fno-omit-frame-pointer -fno-sanitize-recover=all
LDFLAGS += -fsanitize=$(SANITIZE)
# -O3 with sanitizers takes minutes for one file of kernels
KERNEL_OPT = -O1
else
KERNEL_OPT = -O3
endif

# Kernels: each of these files is compiled once per instruction set.
ISA_SRC = $(addprefix src/device/cpu/,elementwise.c math.c compare.c check.c reduce.c scan.c softmax.c movement.c index.c \
	sort.c create.c matmul.c random.c optimizer.c peak.c kernels.c)
ISAS = baseline avx2 avx512
FLAGS_baseline = -DKL_ISA_BASELINE
FLAGS_avx2 = -DKL_ISA_AVX2 -mavx2 -mfma
FLAGS_avx512 = -DKL_ISA_AVX512 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma -mprefer-vector-width=512

LIB_DIRS = base tensor op grad graph io device device/cpu
LIB_SRC = $(filter-out $(ISA_SRC),$(wildcard $(addprefix src/,$(addsuffix /*.c,$(LIB_DIRS)))))
BIND_SRC = $(wildcard src/bind/*.c)
MAIN_SRC = src/main.c $(wildcard src/repl.c)
LUA_SRC = $(shell find lua -name '*.lua' | LC_ALL=C sort)

object = $(patsubst src/%.c,$(BUILD)/obj/%.o,$(1))
ISA_OBJ = $(foreach isa,$(ISAS),$(patsubst src/%.c,$(BUILD)/obj/%.$(isa).o,$(ISA_SRC)))
# C of the messages in src/io/*.proto, by protoc-c; not ours, so its warnings are off.
PROTO_SRC = $(patsubst src/%.proto,$(BUILD)/gen/%.pb-c.c,$(wildcard src/io/*.proto))
PROTO_OBJ = $(patsubst $(BUILD)/gen/%.c,$(BUILD)/obj/%.o,$(PROTO_SRC))
LIB_OBJ = $(call object,$(LIB_SRC)) $(ISA_OBJ) $(PROTO_OBJ)
BIND_OBJ = $(call object,$(BIND_SRC)) $(BUILD)/obj/modules.o
MAIN_OBJ = $(call object,$(MAIN_SRC))

ifeq ($(V),1)
Q =
say = @:
else
Q = @
say = @printf '  %-7s %s\n'
endif

# The program, the C library and the Lua module (the default).
all: $(BUILD)/kl $(BUILD)/libkl.a $(BUILD)/kl.so

$(BUILD)/kl: $(MAIN_OBJ) $(BIND_OBJ) $(BUILD)/libkl.a
	$(say) LINK $@
	$(Q)$(CC) $(LDFLAGS) -rdynamic -o $@ $(MAIN_OBJ) $(BIND_OBJ) -Wl,--whole-archive $(BUILD)/libkl.a -Wl,--no-whole-archive $(LIBS)

$(BUILD)/libkl.a: $(LIB_OBJ)
	$(say) AR $@
	$(Q)rm -f $@ && ar rcs $@ $(LIB_OBJ)

$(BUILD)/kl.so: $(BIND_OBJ) $(BUILD)/libkl.a
	$(say) LINK $@
	$(Q)$(CC) $(LDFLAGS) -shared -o $@ $(BIND_OBJ) -Wl,--whole-archive $(BUILD)/libkl.a -Wl,--no-whole-archive $(shell pkg-config --libs $(LIB_PKGS)) -lm -ldl -lpthread

$(BUILD)/obj/%.o: src/%.c
	@mkdir -p $(@D)
	$(say) CC $<
	$(Q)$(CC) $(CFLAGS_ALL) $(if $(findstring device/cpu,$<),$(KERNEL_OPT)) -MMD -MP -c -o $@ $<

$(BUILD)/gen/%.pb-c.c: src/%.proto
	@mkdir -p $(BUILD)/gen
	$(say) PROTO $<
	$(Q)protoc-c --c_out=$(BUILD)/gen -Isrc $<

$(PROTO_OBJ): $(BUILD)/obj/%.o: $(BUILD)/gen/%.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) -w -MMD -MP -c -o $@ $<
$(BUILD)/obj/io/tf_event.o: | $(PROTO_SRC)

define isa_rule
$(BUILD)/obj/%.$(1).o: src/%.c
	@mkdir -p $$(@D)
	$$(say) CC '$$< ($(1))'
	$$(Q)$$(CC) $$(CFLAGS_ALL) $(KERNEL_OPT) $$(FLAGS_$(1)) -MMD -MP -c -o $$@ $$<
endef
$(foreach isa,$(ISAS),$(eval $(call isa_rule,$(isa))))

$(BUILD)/embed: scripts/dev/embed.c
	@mkdir -p $(@D)
	$(Q)$(CC) -O1 -o $@ $<

$(BUILD)/modules.c: $(BUILD)/embed $(LUA_SRC)
	$(say) EMBED $@
	$(Q)$(BUILD)/embed lua $(LUA_SRC) > $@.new && mv $@.new $@

$(BUILD)/obj/modules.o: $(BUILD)/modules.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) -c -o $@ $<

# Checks of single C files against their references, once per instruction set.
C_TESTS = $(foreach isa,$(ISAS),$(BUILD)/tests/vmath_test.$(isa))
define c_test_rule
$(BUILD)/tests/%_test.$(1): tests/c/%_test.c $(BUILD)/libkl.a
	@mkdir -p $$(@D)
	$$(say) CC '$$< ($(1))'
	$$(Q)$$(CC) $$(CFLAGS_ALL) $(KERNEL_OPT) $$(FLAGS_$(1)) $$(LDFLAGS) -MMD -MP -o $$@ $$< $(BUILD)/libkl.a $$(LIBS)
endef
$(foreach isa,$(ISAS),$(eval $(call c_test_rule,$(isa))))
# These are of the binding and the thread pool, not of kernels.
PLAIN_TESTS = $(BUILD)/tests/lua_memory_test $(BUILD)/tests/lua_heap_test $(BUILD)/tests/pool_test
$(PLAIN_TESTS): $(BUILD)/tests/%: tests/c/%.c $(BIND_OBJ) $(BUILD)/libkl.a
	@mkdir -p $(@D)
	$(say) CC $<
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS) -MMD -MP -o $@ $< $(BIND_OBJ) $(BUILD)/libkl.a $(LIBS)
# The C tests, without running them.
tests: $(C_TESTS) $(PLAIN_TESTS)

# All tests; LONG=1 for those that take minutes.
test: all tests
	BUILD=$(BUILD) scripts/dev/run_tests $(if $(LONG),--long)

# The programs of the acceptance folder, where there is one (ACCEPTANCE=DIR).
acceptance: $(BUILD)/kl
	@scripts/dev/acceptance $(BUILD)/kl $(ACCEPTANCE)

# Formatting, lint, and the one direction of includes and requires.
check:
	scripts/dev/check

# Everything under the address and undefined-behaviour sanitizers, in a build of its own.  Memory that is not to be had is NULL there
# too: the report instead would wait for ever for a lock in a helper process (src/io/apart.c).
asan:
	$(MAKE) BUILD=$(BUILD)/asan SANITIZE=address,undefined OPT='-O1 -g' all tests
	KL_DATA_PATH='$(CURDIR)/data' ASAN_OPTIONS=allocator_may_return_null=1 \
	LSAN_OPTIONS='suppressions=$(CURDIR)/scripts/dev/lsan.supp:print_suppressions=0' BUILD=$(BUILD)/asan scripts/dev/run_tests

# One JSON line per workload, as the peers of docs/figures.md print it.
bench: $(BUILD)/kl
	@for workload in mlp "mlp --mode lua" linreg linreg_jit predict1; do $(BUILD)/kl run scripts/bench.lua $$workload || exit 1; done

# Everything below PREFIX (/usr/local), DESTDIR in front.
install: all
	install -d '$(DESTDIR)$(PREFIX)/bin' '$(DESTDIR)$(PREFIX)/lib' '$(DESTDIR)$(PREFIX)/lib/lua/5.4' '$(DESTDIR)$(PREFIX)/share/kl/data/mnist'
	install -m 755 $(BUILD)/kl '$(DESTDIR)$(PREFIX)/bin/kl'
	install -m 644 $(BUILD)/libkl.a '$(DESTDIR)$(PREFIX)/lib/libkl.a'
	install -m 755 $(BUILD)/kl.so '$(DESTDIR)$(PREFIX)/lib/lua/5.4/kl.so'
	install -m 644 data/README.md '$(DESTDIR)$(PREFIX)/share/kl/data/README.md'
	install -m 644 data/mnist/* '$(DESTDIR)$(PREFIX)/share/kl/data/mnist/'

# The experiments behind docs/experiments.md.
experiments: $(foreach isa,$(ISAS),$(BUILD)/fused_step.$(isa))
define experiment_rule
$(BUILD)/fused_step.$(1): bench/experiments/fused_step.c $(BUILD)/libkl.a
	$$(Q)$$(CC) $$(CFLAGS_ALL) -O3 $$(FLAGS_$(1)) -o $$@ $$< $(BUILD)/libkl.a -lm -ldl -lpthread
endef
$(foreach isa,$(ISAS),$(eval $(call experiment_rule,$(isa))))

# Removes the build.
clean:
	rm -rf $(BUILD)

# This list.
help:
	@awk '/^# / { text = substr($$0, 3); next } /^[a-z]+:/ && text != "" { sub(":.*", ""); printf "make %-11s %s\n", $$0, text } { text = "" }' Makefile

.PHONY: all help tests test acceptance check asan bench install experiments clean
-include $(LIB_OBJ:.o=.d) $(BIND_OBJ:.o=.d) $(MAIN_OBJ:.o=.d) $(addsuffix .d,$(C_TESTS) $(PLAIN_TESTS))
