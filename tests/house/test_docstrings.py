"""The examples in the docstrings of public names print what they say."""
import doctest

import pytest
from test_style import public

FINDER, RUNNER = doctest.DocTestFinder(recurse=False), doctest.DocTestRunner
EXAMPLES = {name: example for name, thing in sorted(public().items())
            for example in FINDER.find(thing, name, globs={}) if example.examples}


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_print_what_they_say(name, capsys):
    runner = RUNNER(optionflags=doctest.NORMALIZE_WHITESPACE)
    runner.run(EXAMPLES[name], clear_globs=False)
    assert not runner.failures, capsys.readouterr().out


def test_there_are_examples():
    assert len(EXAMPLES) > 50
