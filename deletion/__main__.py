"""python -m deletion: the command line, also installed as `sketch`."""
import sys

from .cli.commands import run

if __name__ == "__main__":
    sys.exit(run())
