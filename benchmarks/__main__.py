"""python -m benchmarks all: the paper's figures, one after the other; or those of them that are named."""
from circuit import InputError

from . import figure1, figure2, figure3, figures, harness

FIGURES = {module.FIGURE.name: module.FIGURE for module in (figure1, figure2, figure3)}


def main():
    parser = figures.parser("", __doc__)
    parser.add_argument("figures", nargs="+", metavar="FIGURE", help=f"all, or any of {', '.join(FIGURES)}")
    options = parser.parse_args()
    named = vars(options).pop("figures")
    chosen = list(FIGURES) if "all" in named else named
    unknown = set(chosen) - set(FIGURES)
    if unknown:
        raise InputError(f"no figure {unknown.pop()!r}; expected all, or any of {', '.join(FIGURES)}")
    for name in chosen:
        print(f"\n== {name}: {FIGURES[name].doc.splitlines()[0].partition(': ')[2]}")
        FIGURES[name].run(options)
    return 0


if __name__ == "__main__":
    harness.run(main)
