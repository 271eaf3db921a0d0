"""Former spellings of public names. They work for one more version, and warn.

A module that has renamed names writes

    __getattr__ = former_names(__name__, {"OldName": "NewName"})

(PEP 562). A method that was renamed keeps a method of the old name, which calls `warn_renamed` first.
"""
import sys
import warnings


def warn_renamed(former, present):
    """Warn the caller of whoever calls this that a name has changed."""
    warnings.warn(f"{former} is now called {present}; the old name works until the next version",
                  DeprecationWarning, stacklevel=3)


def former_names(module, names):
    """A module's `__getattr__`: it finds former names.

    Parameters
    ----------
    module : str
        The module's `__name__`.
    names : dict
        {former name: present name}; the present one is found in the same module.

    Returns
    -------
    Callable
        Takes a name and returns what is now called otherwise, with a DeprecationWarning; raises
        AttributeError for any other name.
    """
    def lookup(name):
        if name not in names:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        warn_renamed(f"{module}.{name}", names[name])
        return getattr(sys.modules[module], names[name])
    return lookup
