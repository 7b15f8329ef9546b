# Thin: every target is one command that also works by hand.
PY := .venv/bin/python

help:
	@echo "make lab        open JupyterLab at notebook 00"
	@echo "make test       the fast tests"
	@echo "make run        run every notebook, results under outputs/executed"
	@echo "make base       train the base model from scratch (long; goes on after being stopped)"
	@echo "make reference  remake everything under data/reference"
	@echo "make scoreboard every way to company answers on the frozen sets, a few minutes"
	@echo "make book       static pages of the executed notebooks, under book/"

lab:
	python3 start.py lab
test:
	python3 start.py test
run:
	$(PY) benchmarks/notebooks.py
base:
	$(PY) -m course_utils.tiny_base.pretrain --install
reference:
	$(PY) data/reference/make.py
scoreboard:
	$(PY) data/reference/scoreboard.py
book:
	$(PY) benchmarks/notebooks.py --book

.PHONY: help lab test run base reference scoreboard book
