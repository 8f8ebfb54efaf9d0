# Builds the extension with PGXS; "make help" lists the targets.
#
#	PG_CONFIG=/path/to/pg_config	build for this PostgreSQL (15 to 19)
#	PG=17				build for this version of Debian's packages
#	WERROR=-Werror		warnings are errors, as for the tests; a newer compiler knows more of them

MODULE_big = hubspot
OBJS = $(patsubst %.c,%.o,$(sort $(wildcard src/*.c src/*/*.c)))
EXTENSION = hubspot
DATA_built = sql/hubspot--1.0.sql
DATA = $(filter-out $(DATA_built),$(wildcard sql/hubspot--*.sql))
EXTRA_CLEAN = $(OBJS:.o=.d) src/.built-for

PKG_CONFIG ?= pkg-config

# PostgreSQL's callbacks have fixed parameter lists; its headers and idioms
# (lengthof) compare int with size_t.
PG_CFLAGS = -Wall -Wextra $(WERROR) -Wno-unused-parameter -Wno-sign-compare

# The headers that each object was compiled from.
PG_CFLAGS += -MMD -MP
-include $(OBJS:.o=.d)

# Sources say <json-c/...>: json-c's own -I would put its debug.h and json.h
# in everybody's way.
PG_CPPFLAGS := -Isrc $(shell $(PKG_CONFIG) --cflags libcurl libidn2 2>/dev/null) \
	$(addprefix -I,$(filter-out /usr/include,$(shell $(PKG_CONFIG) --variable=includedir json-c 2>/dev/null)))
SHLIB_LINK := $(or $(shell $(PKG_CONFIG) --libs libcurl 2>/dev/null),\
	$(shell curl-config --libs 2>/dev/null),-lcurl) \
	$(or $(shell $(PKG_CONFIG) --libs json-c 2>/dev/null),-ljson-c) \
	$(or $(shell $(PKG_CONFIG) --libs libidn2 2>/dev/null),-lidn2)

# The first of these that can build extensions: a pg_config may come without
# PGXS or the server's headers, or not be in the PATH.
candidates = $(if $(PG),,$(shell command -v pg_config)) \
	$(shell ls -d /usr/lib/postgresql/$(or $(PG),*)/bin/pg_config 2>/dev/null | sort -rV)
usable = $(and $(wildcard $(shell $(1) --includedir-server 2>/dev/null)/postgres.h),\
	$(wildcard $(shell $(1) --pgxs 2>/dev/null)))
PG_CONFIG ?= $(firstword $(foreach c,$(candidates),$(if $(call usable,$(c)),$(c))) $(if $(PG),/usr/lib/postgresql/$(PG)/bin/)pg_config)
export PG
PGXS := $(call usable,$(PG_CONFIG))

# Bitcode for inlining by the JIT has no use here, and would need clang.
override with_llvm := no

.DEFAULT_GOAL := all

ifneq ($(PGXS),)
include $(PGXS)

# Objects of another PostgreSQL or with other flags are stale.
src/.built-for: FORCE
	@echo '$(VERSION) $(CC) $(CFLAGS) $(CPPFLAGS)' > $@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@

$(OBJS): src/.built-for

# One script of its parts, in the order of their names: see sql/README.md.
$(DATA_built): FORCE
	@cat $(sort $(wildcard sql/parts/*.sql)) > $@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@
else
all install clean:
	@echo >&2 "no PostgreSQL to build for: install postgresql-server-dev-NN, or give PG_CONFIG=..."
	@exit 1
endif

# What follows installs the Debian packages that it needs (as root) or names
# them, and leaves no trace outside temporary directories.

demo:
	@test/demo/run

test:
	@test/tools/run-tests unit fuzz model simulator regress isolation tap

check-unit check-fuzz check-model check-simulator check-regress check-isolation check-tap:
	@test/tools/run-tests $(@:check-%=%)

# The same, in part, with a build that checks our assertions.
check-asserts:
	@test/tools/run-asserts

# The versions of PostgreSQL that Debian's archive offers, each in a chroot.
test-all:
	@test/versions/all

# No more than compiling, against the headers of the others.
check-headers:
	@test/versions/headers

# Do README's commands work where nothing is installed?
check-bare:
	@test/versions/bare

clean-all:
	@test/versions/remove

lint:
	@test/tools/lint

format:
	@test/tools/lint --format

# Longer than the tests: search for inputs that break a promise.
fuzz:
	@test/tools/packages lint
	@test/fuzz/run

# One thread that is everybody: SCHEDULES=5000 of them, or one in words, SEED=7.
model:
	@test/model/run

# Does the model find the faults that test/model/mutations/ puts into the code?
check-mutations:
	@test/model/mutate

# Longer than the tests, too: everything fails at random while sessions call.
torture:
	@test/torture/run

bench:
	@test/tools/packages bench
	@test/bench/run

# What a call and a delivered row cost, counted by valgrind: the same on a busy machine.
check-instructions:
	@test/tools/packages instructions
	@PARTS=instructions STRICT=1 test/bench/run

# Hours of traffic and trouble: nothing may grow.
soak:
	@test/tools/packages bench
	@PARTS=soak STRICT=1 test/bench/run

simulator:
	@test/tools/packages simulator
	@$(MAKE) -C test/simulator

# For scripts that ask after they have installed packages.
pg_config:
	@echo $(PG_CONFIG)

help:
	@echo 'make                  build the extension'
	@echo 'make install          install it into the PostgreSQL of PG_CONFIG'
	@echo 'make clean            remove what was built'
	@echo 'make demo             show it at work on a throw-away cluster; KEEP=1 leaves it running'
	@echo 'make test             all tests: check-unit, check-fuzz, check-model, check-simulator, check-regress, check-isolation, check-tap'
	@echo '     REGRESS_TESTS=.. ISOLATION_TESTS=.. PROVE_TESTS=..  only these; KEEP=1 keeps the logs'
	@echo 'make check-asserts    regress, isolation and a third of the TAP tests with our assertions; THIRD=0, 1, 2'
	@echo 'make test-all         all tests with each PostgreSQL that Debian offers, in chroots; VERSIONS="17 18"'
	@echo 'make check-headers    compile against the headers of PostgreSQL 17, 18 and 19'
	@echo 'make check-bare       the commands of README on a bare Debian 12 and 13'
	@echo 'make clean-all        remove the chroots, too'
	@echo 'make lint             formatter, static analysis, house rules'
	@echo 'make format           put the C files into PostgreSQL'"'"'s layout'
	@echo 'make fuzz             search for inputs that break it, SECONDS_EACH=120 for each of FUZZ_TARGETS'
	@echo 'make model            all interleavings that a seed can say, SCHEDULES=5000 FIRST=..; SEED=7 one of them in words'
	@echo 'make check-mutations  faults put into the code, each alone: after how many schedules make model finds it'
	@echo 'make torture          the fault campaign, FAULTS=1000 MAX_SECONDS=900 SEED=..'
	@echo 'make bench            measure; QUICK=1 with a tenth of the rows, PARTS=.. only some'
	@echo 'make check-instructions  valgrind counts what a call and a delivered row cost, against the figures in the tree'
	@echo 'make soak             steady traffic and trouble for SOAK_SECONDS=7200: does anything grow?'
	@echo 'make simulator        build the HubSpot simulator'

.PHONY: FORCE demo test test-all check-headers check-bare clean-all fuzz model check-mutations torture check-unit check-fuzz check-model check-simulator check-regress check-isolation check-tap check-asserts check-instructions lint format bench soak simulator pg_config help
