# SPDX-License-Identifier: GPL-2.0
#
# The commands of the project; `make help` lists them. Kbuild, beside it, is read by the kernel's build system.

# A tree that vm/prepare --running-kernel made for the running kernel comes first: Debian's own lacks the Rust metadata.
RELEASE := $(shell uname -r)
RUNNING := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/mp3/running/$(RELEASE)
KDIR ?= $(if $(wildcard $(RUNNING)),$(RUNNING),/lib/modules/$(RELEASE)/build)
PREFIX ?= /usr/local
CARGO ?= vm/cargo

# Where module and programs are put side by side: for this machine, and for the guest.
OUT := out
GUEST := $(OUT)/vm
# Where Kbuild puts its objects, instead of beside the sources.
OBJECTS := $(CURDIR)/target/kbuild

PROGRAMS := work userapp monitor plot sched faults exporter top
# A program whose name another package's has already is installed with the project's name in front, and called so in the guest.
installed = $(patsubst top,mp3-top,$(1))
GUEST_PROGRAMS := work userapp monitor sched faults exporter top
# What `make demo` runs in the guest.
DEMO_PROGRAMS := work userapp monitor sched
# Static, since the guest has no libraries; without debug information, since it is held in memory.
GUEST_TARGET := x86_64-unknown-linux-gnu
GUEST_BUILD := env RUSTFLAGS="-C target-feature=+crt-static" CARGO_PROFILE_RELEASE_DEBUG=none \
	CARGO_PROFILE_RELEASE_STRIP=debuginfo \
	$(CARGO) build --release --target-dir target/guest --target $(GUEST_TARGET)
GUEST_BUILT := target/guest/$(GUEST_TARGET)/release

BASH_SCRIPTS := .ci/run $(shell grep -lsE '^\#!/bin/bash' vm/* vm/lib/* vm/tests/* case_studies/* packaging/* packaging/*/* packaging/tests/guest/* docs/upstream/*)
ASH_SCRIPTS := vm/guest/init vm/guest/run fleet/guest fleet/cost

# The compiler that built the kernel, if the tree says which.
KERNEL_CC = $(shell sed -n 's/^CONFIG_CC_VERSION_TEXT="\{0,1\}\([^" ]*\).*/\1/p' $(KDIR)/include/config/auto.conf 2>/dev/null)
KERNEL_TOOLS = $(if $(findstring clang,$(KERNEL_CC)),LLVM=1,$(addprefix CC=,$(KERNEL_CC))) $(addprefix RUSTC=,$(RUSTC))

# $(call put,FILES,DIR): copies them there, each whole at once: `make demo` has two makes at work, and what reads a program
# meanwhile finds the old one or the new one.
put = for file in $(1); do new=$(2)/.$${file\#\#*/}.$$$$ && cp "$$file" "$$new" && mv -f "$$new" "$(2)/$${file\#\#*/}" || exit 1; done

.PHONY: fleet fleet-cost mutants bench bench-keep deb test-packages all module programs install uninstall case-study-1 case-study-2 demo test expected loom test-host test-vm test-peers test-debug test-kcsan kernels stress fuzz fuzz-host fuzz-keep vm guest guest-programs demo-programs demo-plot guest-tests guest-bench module-vm prepare fmt lint clean help fresh

all: module programs ## mp3.ko for the running kernel and the programs, side by side in out/ (KDIR=DIR: another kernel)

module: ## mp3.ko for the running kernel
	@vm/preflight "$(KDIR)"
	@mkdir -p $(OUT) $(OBJECTS)/native
	@vm/stage "building mp3.ko against $(KDIR)" \
		$(MAKE) --no-print-directory -C $(KDIR) M=$(CURDIR) MO=$(OBJECTS)/native $(KERNEL_TOOLS) modules
	@$(call put,$(OBJECTS)/native/mp3.ko,$(OUT))

programs: ## the programs for this machine
	@mkdir -p $(OUT)
	@vm/stage "building the programs" $(CARGO) build --release $(addprefix --package ,$(PROGRAMS)) --features sched/full,faults/full
	@$(call put,$(addprefix target/release/,$(PROGRAMS)),$(OUT))

install: ## installs what `make` built: the module below /lib/modules, the programs below PREFIX (DESTDIR is honoured)
	@for file in mp3.ko $(PROGRAMS); do \
		[ -e $(OUT)/$$file ] || { echo "install: $(OUT)/$$file is not built; start with: make" >&2; exit 1; }; done
	install -D -m 644 $(OUT)/mp3.ko "$(DESTDIR)$(MODULE_DIR)/mp3.ko"
	install -d "$(DESTDIR)$(PREFIX)/bin"
	$(foreach program,$(PROGRAMS),install -m 755 $(OUT)/$(program) "$(DESTDIR)$(PREFIX)/bin/$(call installed,$(program))" &&) :
	$(if $(DESTDIR),,depmod $(MODULE_RELEASE))

uninstall: ## removes what install installed
	rm -f "$(DESTDIR)$(MODULE_DIR)/mp3.ko"
	rm -f $(foreach program,$(PROGRAMS),"$(DESTDIR)$(PREFIX)/bin/$(call installed,$(program))")
	$(if $(DESTDIR),,depmod $(MODULE_RELEASE))

# The module says for which kernel it was built.
MODULE_RELEASE = $(firstword $(shell PATH=$$PATH:/usr/sbin:/sbin modinfo -F vermagic $(OUT)/mp3.ko 2>/dev/null) $(RELEASE))
MODULE_DIR = /lib/modules/$(MODULE_RELEASE)/updates

deb: ## Debian packages in out/deb/: mp3, mp3-dkms (RELEASE=7.2.12+deb13-cloud-amd64: the module built for it; SIGN=KEY,CERTIFICATE)
	@packaging/deb $(if $(filter command%,$(origin RELEASE)),--release "$(RELEASE)") $(if $(SIGN),--sign "$(SIGN)")

test-packages: ## the packages' life in a Debian 13 system in QEMU: install, use, upgrade, new kernel, purge, Secure Boot (as root, half an hour)
	@packaging/tests/life $(PARTS)

demo: ## profiles a workload in the virtual machine and draws it; prepares and builds whatever is missing
	@vm/demo

# Lists in xtask/expected/, for `make expected`.
LISTS :=

test: ## all tests, here and in the virtual machine, with a total
	@vm/packages prepare test
	@vm/prepare
	@vm/test host vm

expected: ## writes the names of all tests into xtask/expected/; `make test` fails if one does not run (LISTS="host module": only these)
	@vm/xtask expected $(LISTS)

fresh: ## the README's first commands on a bare machine inside this one, as root and as an ordinary user: out/fresh/
	@vm/fresh $(FRESH)

test-host: ## the tests that need no kernel module
	@vm/test host

loom: ## the protocols of shared memory, model-checked: part of test-host
	@RUSTFLAGS="--cfg loom" $(CARGO) test --release --package abi --test loom --target-dir target/loom

test-vm: prepare ## the tests in the virtual machine, against the real module
	@vm/test vm

test-peers: prepare ## the tests that compare with perf in one and the same run (perf is prepared once, with bpftrace and others: 244 MB)
	@vm/test peers

test-debug: prepare ## the module's tests on a kernel with KASAN, lockdep, kmemleak and more (built once, half an hour)
	@vm/test kasan

test-kcsan: prepare ## the same with KCSAN, which finds data races
	@vm/test kcsan

# Without any: of each of Debian's suites and each series, the newest and the oldest.
KERNELS :=

kernels: prepare ## the module built, booted and tested on every kernel on offer; writes docs/kernels.md (KERNELS="7.3.4 7.2.12": only these)
	@vm/kernels $(KERNELS)

# The kernel for `make stress` and `make fuzz`: stock, or debug for the one with KASAN.
KERNEL := stock
SECONDS := 300
ROUNDS := 1000
PROCESSES := 10000
SEED = $(shell date +%s)

stress: guest-tests ## load: ROUNDS=1000 reloads, SECONDS=300 of 10,000 dying processes and of misbehaving readers (KERNEL=debug: with KASAN)
	@vm/load $(KERNEL) 14400 MP3_STRESS_ROUNDS=$(ROUNDS) MP3_STRESS_SECONDS=$(SECONDS) \
		MP3_STRESS_PROCESSES=$(PROCESSES) mp3-tests stress

fuzz: guest-tests ## random system calls for SECONDS=300, from SEED (the time), on KERNEL=stock or debug
	@vm/load $(KERNEL) $$(($(SECONDS) + 1800)) MP3_FUZZ_SEED=$(SEED) MP3_FUZZ_SECONDS=$(SECONDS) mp3-tests fuzz::system_calls

# The fuzzer takes a nightly compiler and is not a dependency of anything else.
TARGETS :=

fuzz-host: ## every reader of foreign data against libFuzzer, SECONDS=300 each (TARGETS="ring profile": only these; nightly Rust)
	@vm/xtask fuzz run --seconds $(SECONDS) $(TARGETS)

fuzz-keep: ## keeps the smallest set of inputs that reaches all the code that fuzz-host has reached, in fuzz/corpus/
	@vm/xtask fuzz keep $(TARGETS)

# The crate for `make mutants`, and a part of its mutants, such as 0/5: the first of five.
CRATE := judge
SHARD := 0/1

mutants: ## changes CRATE=judge in every small way and names the changes that no test of it notices (SHARD=0/5: a fifth; cargo install cargo-mutants)
	@mkdir -p $(OUT)
	@$(CARGO) mutants --package $(CRATE) --all-features --shard $(SHARD) --sharding round-robin --minimum-test-timeout 30 --output $(OUT)

bench: prepare ## what mp3 costs, beside perf, bpftrace, pidstat, /proc, taskstats and BPF: out/bench.json (PARTS="tracing plot": only these; ONLY=mp3: without the peers)
	@vm/bench $(if $(ONLY),--only "$(ONLY)") $(PARTS)

bench-keep: ## takes out/bench.json as the figures that the texts quote: bench/data/bench.json, the tables of README and docs/, docs/bench-*.png
	@$(OUT)/vm/mp3-bench keep $(OUT)/bench.json

# Options for it: make fleet FLEET="--seconds 600".
FLEET :=

fleet: ## three guests under load, watched: Prometheus, alerts that fire, the dashboard's queries, traces as Parquet and DuckDB; out/fleet/
	@vm/fleet $(FLEET)

fleet-cost: ## what the exporter costs beside node_exporter and process-exporter, in instructions
	@vm/fleet-cost

# Where the studies' runs and figures go, and options for them: make case-study-2 STUDY="--n '1 28' --mem 4G".
STUDIES := $(OUT)/studies
STUDY :=

case-study-1: guest ## random and local accesses: two runs of two programs, and their figures, in out/studies/case1/
	@case_studies/run case1 --into $(STUDIES) $(STUDY)

case-study-2: guest ## more and more copies of a program, until the machine thrashes; out/studies/case2/
	@case_studies/run case2 --into $(STUDIES) $(STUDY)

vm: guest ## a shell in the virtual machine, with mp3.ko loaded and the programs in the PATH
	@vm/run

guest: prepare ## mp3.ko and the programs for the virtual machine, in out/vm/
	@$(MAKE) --no-print-directory module-vm guest-programs

guest-programs:
	@mkdir -p $(GUEST)
	@vm/stage "building the guest's programs" $(GUEST_BUILD) $(addprefix --package ,$(GUEST_PROGRAMS))
	@$(call put,$(addprefix $(GUEST_BUILT)/,$(GUEST_PROGRAMS)),$(GUEST))
	@mv -f $(GUEST)/top $(GUEST)/$(call installed,top)

demo-programs:
	@mkdir -p $(GUEST)
	@vm/stage "building the guest's programs" $(GUEST_BUILD) $(addprefix --package ,$(DEMO_PROGRAMS)) --features sched/figures
	@$(call put,$(addprefix $(GUEST_BUILT)/,$(DEMO_PROGRAMS)),$(GUEST))

# A static program runs on this machine too, and shares what the guest's programs had compiled.
demo-plot:
	@mkdir -p $(OUT)
	@$(GUEST_BUILD) --package plot --no-default-features
	@$(call put,$(GUEST_BUILT)/plot,$(OUT))

guest-tests: guest
	@vm/stage "building the guest's tests" $(GUEST_BUILD) --package tests
	@$(call put,$(GUEST_BUILT)/mp3-tests,$(GUEST))
	@vm/terminal $(OUT)/terminal

guest-bench: guest
	@vm/stage "building the guest's measurements" $(GUEST_BUILD) --package bench
	@$(call put,$(GUEST_BUILT)/mp3-bench,$(GUEST))

module-vm: prepare ## only mp3.ko for the virtual machine
	@mkdir -p $(GUEST)
	@vm/stage "building mp3.ko for the virtual machine's kernel" vm/kbuild --copy $(GUEST)/mp3.ko modules

prepare: ## the virtual machine's kernel, its toolchain and its guest, once (in ~/.cache/mp3)
	@vm/prepare

fmt: ## formats all Rust code
	$(CARGO) fmt --all -- mp3_module/mp3_main.rs mp3_module/tracer/encode.rs

lint: prepare ## formatting, clippy on programs and module, shellcheck
	@vm/lint $(BASH_SCRIPTS) -- $(ASH_SCRIPTS)

clean: ## removes what was built here (the prepared kernels in ~/.cache/mp3 stay)
	rm -rf target $(OUT)

help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/\1	\2/p' $(MAKEFILE_LIST) | expand -t 15
