"""python -m microgpt: train on a list of names and print new ones."""
import argparse
import sys

from circuit import InputError, evaluate

from .learner import names
from .sample import checked_options, sample


def main():
    """Train, print the loss on unseen names, and print new names."""
    parser = argparse.ArgumentParser(prog="python -m microgpt",
                                     description="Train microgpt on a list of names and print new ones.")
    parser.add_argument("--names", metavar="FILE",
                        help="a text file, one name a line (default: the project's US Census names)")
    parser.add_argument("--steps", type=int, default=1000,
                        help="training steps, one name each (default %(default)s)")
    parser.add_argument("--samples", type=int, default=20,
                        help="how many new names to print (default %(default)s)")
    parser.add_argument("--temperature", type=float, default=0.5,
                        help="above 0: the lower, the likelier the letters (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the new names (default %(default)s)")
    options = parser.parse_args()
    # before the training, so that an error costs no time
    checked_options(options.samples, options.temperature, options.seed)
    learner = names(options.names, steps=options.steps)
    theta = learner.train()[0]
    held_out = [evaluate(learner.measurement(learner.loss_on(name)), [theta])[0]
                for name in learner.held_out[:100]]
    if held_out:
        print(f"{options.steps} steps; mean loss on {len(held_out)} names that were not in the training: "
              f"{sum(held_out) / len(held_out):.4f} nats per letter")
    for name in sample(learner.layout.split(theta), learner.tokenizer, learner.shape, options.samples,
                       options.temperature, options.seed):
        print(name)


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(print(f"error: {error}", file=sys.stderr) or 2)
