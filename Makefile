# make          both programs, optimised and self-contained, in bin/
# make demo     the main job from source to running pods, on this machine, in a network namespace of its own
# make test     all tests (some need root; they say so where they cannot run)
# make test-vm  those of them that need a pure cgroup v2 tree, in a small guest
# make mutants  takes checks of the runtime and the registry out, one after the other: a test must fail without each
# make fuzz     feeds the parsers of what strangers send with libFuzzer, for FUZZ_SECONDS (60) each
# make bench    ratios against docker, podman, skopeo, crun, runc, distribution, nginx and floors in C, from one run
# make soak     kills a registry a hundred times under load, and looks for everything that it had acknowledged
# make install  bin/ to $(PREFIX)/bin
# make format   swift-format over all sources; make lint says what it would change
# Each installs what it needs from Debian's packages where it is missing.

PREFIX ?= /usr/local
SWIFT ?= swift
CHECK = --explicit-target-dependency-import-check error
STATIC = -c release --static-swift-stdlib -Xswiftc -static-executable $(CHECK)
SOURCES = $(shell find Sources -type f) Package.swift

.PHONY: all build demo test mutants fuzz test-vm bench soak install format lint clean
all: build

build: bin/clipper bin/clipper-runtime

bin/clipper bin/clipper-runtime &: $(SOURCES)
	@tools/need build
	$(SWIFT) build $(STATIC) --product clipper-runtime
	$(SWIFT) build $(STATIC) --product clipper
	@mkdir -p bin
	@for program in clipper clipper-runtime; do \
	  strip -o bin/$$program.new "$$($(SWIFT) build $(STATIC) --show-bin-path)/$$program" && mv bin/$$program.new bin/$$program; \
	done
	@ls -lh bin

demo: build
	@tools/need demo
	CLIPPER=$(CURDIR)/bin/clipper CLIPPER_RUNTIME=$(CURDIR)/bin/clipper-runtime demo/run

test:
	@tools/need build test
	tools/test

test-vm:
	@tools/need build test
	tools/vm test

mutants:
	@tools/need build test
	tools/mutants

fuzz:
	@tools/need build
	tools/fuzz

soak: build
	@tools/need soak
	unshare --net bash -c 'ip link set lo up; exec tools/soak --clipper bin/clipper'

bench: build
	@tools/need build bench
	tools/bench

install: build
	install -D -m 755 bin/clipper $(DESTDIR)$(PREFIX)/bin/clipper
	install -D -m 755 bin/clipper-runtime $(DESTDIR)$(PREFIX)/bin/clipper-runtime

format:
	$(SWIFT) format format --in-place --parallel --recursive Sources Tests Package.swift

lint:
	$(SWIFT) format lint --parallel --recursive Sources Tests Package.swift

clean:
	rm -rf .build bin
