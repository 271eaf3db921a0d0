#!/bin/sh
# The command line: microgpt on 200 first names, and its loss on an unseen one without some of the first letters.
# Run it from anywhere: sh benchmarks/examples/command_line.sh
set -e
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT

# once, before any question: train and make the sketch, in a folder
sketch precompute --quiet --steps 200 --units first_letter --directions 32 --degree 3 --out "$folder/letters"

# any number of questions: the loss on rufus without the names that begin with m, and without x, y and z
sketch predict "$folder/letters" --delete m --delete x,y,z --measure loss:rufus

# the truth: train again without them, and compare
sketch validate "$folder/letters" --delete m --delete x,y,z --measure loss:rufus
