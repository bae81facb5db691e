PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
NOTES ?= notes/fluidr3mono
NOTES_44K ?= notes/fluidr3mono-44k
NOTES_OF_CODES ?= notes/instruments-44k
IMAGES ?= notes/images-44k
RUN ?= runs/thesis
PROCESSES ?= -n 2 --dist worksteal
# bytecode is kept, or each program that a test starts would compile the package anew
export PYTHONDONTWRITEBYTECODE =

.PHONY: cpu morph play test test-all faults check fix bench paper-thesis paper-colonel2017 paper-colonel2018 paper-colonel2020 paper-verma2018 paper-boemer2018 train-papers train-transfer train-default instrument-codes train-thesis evaluate

cpu:  ## PyTorch's CPU build, before anything else is installed: make cpu INDEX=ADDRESS, see README.md
	@test -n "$(INDEX)" || { echo "make cpu INDEX=ADDRESS: the address after --index-url on PyTorch's installation page, for pip and CPU" >&2; exit 2; }
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -c constraints.txt torch --index-url $(INDEX)

morph: $(VENV)/installed  ## two real notes become a new sound and a picture
	mkdir -p out
	$(BIN)/intertone morph examples/english-horn.wav examples/sitar.wav -o out/morph.wav --mix 0.5 --plot out/morph.png --force

play: $(VENV)/installed  ## the sounds between the same two notes, in the browser: keys, MIDI and a pad
	$(BIN)/intertone play examples/english-horn.wav examples/sitar.wav

test: $(VENV)/installed-dev  ## everything that must hold
	$(BIN)/python -m pytest $(PROCESSES)

test-all: $(VENV)/installed-dev  ## that, what takes longer, and faults that the tests must catch
	$(BIN)/python -m pytest $(PROCESSES) -m "slow or not slow"
	$(BIN)/python benchmarks/faults.py --trust

faults: $(VENV)/installed-dev  ## twenty faults, one at a time: the tests must catch each
	$(BIN)/python benchmarks/faults.py

check: $(VENV)/installed-dev  ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

fix: $(VENV)/installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/installed-dev  ## speeds and ratios of this machine, in one run
	$(BIN)/python benchmarks/speed.py

train-default: $(VENV)/installed-dev  ## renders the bank (11 GB) and trains the shipped codec; stop and repeat at will
	$(BIN)/intertone data render -o $(NOTES_44K) --sample-rate 44100 --velocities 25,75,127
	$(BIN)/intertone data prepare $(NOTES_44K) -o $(IMAGES) --train 10000 --valid 400 --test 600
	$(BIN)/intertone train configs/harmonic.toml --data $(IMAGES) --out runs/harmonic
	$(BIN)/intertone pack runs/harmonic -o runs/harmonic/packed --force

instrument-codes: $(VENV)/installed-dev  ## the codes of the training instruments for the shipped codec (notes of 410 MB), and how near they come
	$(BIN)/intertone data render -o $(NOTES_OF_CODES) --sample-rate 44100 --pitch-min 36 --pitch-max 84 --pitch-step 6 --velocities 100
	$(BIN)/python benchmarks/instrument_codes.py $(NOTES_OF_CODES)

train-thesis: $(VENV)/installed-dev  ## the same for the thesis's codec (7 GB)
	$(BIN)/intertone data render -o $(NOTES)
	$(BIN)/intertone train configs/thesis.toml --data $(NOTES) --out $(RUN)
	$(BIN)/intertone pack $(RUN) -o $(RUN)/packed --force

paper-thesis: $(VENV)/installed-dev  ## the experiments of the thesis's chapter 4: tables and pictures of docs/papers/thesis.md
	$(BIN)/intertone paper thesis --budget cpu --data $(NOTES) -o runs/paper-thesis --write docs/papers/thesis.md

paper-colonel2017: $(VENV)/installed-dev  ## the networks of Colonel, Curro and Keene 2017: tables of docs/papers/colonel2017.md
	$(BIN)/intertone data virtual-analogue -o notes/colonel2017 --sample-rate 22050 --polyphony 4 --patches 105 --pitch-step 12 --velocities 100
	$(BIN)/intertone paper colonel2017 --budget cpu --data notes/colonel2017 -o runs/colonel2017 --write docs/papers/colonel2017.md

paper-colonel2018: $(VENV)/installed-dev  ## CANNe: tables of docs/papers/colonel2018.md
	$(BIN)/intertone data virtual-analogue -o notes/colonel2018 --sample-rate 44100 --patches 105 --pitch-step 12 --velocities 100
	$(BIN)/intertone paper colonel2018 --budget cpu --data notes/colonel2018 -o runs/colonel2018 --write docs/papers/colonel2018.md

paper-colonel2020: $(VENV)/installed-dev  ## manne: tables of docs/papers/colonel2020.md
	$(BIN)/intertone data render -o notes/colonel2020 --sample-rate 44100 --programs 24,40,80-83 --velocities 100
	$(BIN)/intertone paper colonel2020 --budget cpu --data notes/colonel2020 -o runs/colonel2020 --write docs/papers/colonel2020.md

paper-verma2018: $(VENV)/installed-dev  ## style transfer by a classifier: tables of docs/papers/verma2018.md
	$(BIN)/intertone paper verma2018 --budget cpu -o runs/verma2018 --write docs/papers/verma2018.md

paper-boemer2018: $(VENV)/installed-dev  ## style transfer by a WaveNet encoder: tables of docs/papers/boemer2018.md
	$(BIN)/intertone paper boemer2018 --budget cpu -o runs/boemer2018 --write docs/papers/boemer2018.md

train-papers: $(VENV)/installed-dev  ## the shipped codecs canne and manne
	$(BIN)/intertone data virtual-analogue -o notes/colonel2018 --sample-rate 44100 --patches 105 --pitch-step 12 --velocities 100
	$(BIN)/intertone train configs/canne.toml --data notes/colonel2018 --out runs/canne
	$(BIN)/intertone pack runs/canne -o runs/canne/packed --force --card src/intertone/codecs/canne/README.md
	$(BIN)/intertone data render -o notes/manne --sample-rate 44100 --pitch-min 36 --pitch-max 96 --pitch-step 7 --velocities 100
	$(BIN)/intertone train configs/manne.toml --data notes/manne --out runs/manne
	$(BIN)/intertone pack runs/manne -o runs/manne/packed --force --card src/intertone/codecs/manne/README.md

train-transfer: $(VENV)/installed-dev  ## the networks that style transfer compares sounds with: recogniser `families`, codec `wavenet` (notes of 880 MB)
	$(BIN)/intertone data render -o notes/transfer --pitch-min 24 --pitch-max 105 --pitch-step 3 --velocities 60,110
	$(BIN)/intertone train configs/families.toml --data notes/transfer --out runs/families
	$(BIN)/intertone pack runs/families -o runs/families/packed --force --card src/intertone/recognisers/families/README.md
	$(BIN)/intertone train configs/wavenet.toml --data notes/transfer --out runs/wavenet
	$(BIN)/intertone pack runs/wavenet -o runs/wavenet/packed --force --card src/intertone/codecs/wavenet/README.md
	$(BIN)/python benchmarks/transfer_networks.py runs/families/packed runs/wavenet/packed notes/transfer

evaluate: $(VENV)/installed-dev  ## the figures of the model card
	$(BIN)/intertone evaluate harmonic --data $(NOTES_44K) --out out/evaluation --force
	$(BIN)/intertone evaluate thesis --data $(NOTES) --out out/evaluation-thesis --force

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: $(VENV)/bin/python pyproject.toml constraints.txt
	$(BIN)/pip install -q -c constraints.txt -e .
	touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(BIN)/pip install -q -c constraints.txt -e '.[dev]'
	touch $@
