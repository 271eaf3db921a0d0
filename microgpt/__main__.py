"""python -m microgpt: train on a list of names and print new ones."""
import argparse
import sys

from circuit import InputError, evaluate

from .learner import names
from .sample import checked_options, sample


def main():
    parser = argparse.ArgumentParser(prog="python -m microgpt",
                                     description="Train microgpt on names and let it babble.")
    parser.add_argument("--names", help="file of names, one a line (default: the shipped US Census names)")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--samples", type=int, default=20)
    parser.add_argument("--temperature", type=float, default=0.5)
    parser.add_argument("--seed", type=int, default=0, help="of the samples")
    options = parser.parse_args()
    # before the training, not after it
    checked_options(options.samples, options.temperature, options.seed)
    learner = names(options.names, steps=options.steps)
    theta = learner.train()[0]
    held_out = [evaluate(learner.measurement(learner.loss_on(name)), [theta])[0]
                for name in learner.held_out[:100]]
    if held_out:
        print(f"{options.steps} steps; mean loss on {len(held_out)} names never seen: "
              f"{sum(held_out) / len(held_out):.4f} nats per letter")
    for name in sample(learner.layout.split(theta), learner.tokenizer, learner.shape, options.samples,
                       options.temperature, options.seed):
        print(name)


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(print(f"error: {error}", file=sys.stderr) or 2)
