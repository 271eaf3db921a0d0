"""The command line.

Reading order: commands, options, selection (what a text means: deletion sets and measurements), recipe (how a
learner is made), scoring, tables, plots.
"""
