"""A bank: retrainings in a folder, so that none is made twice, whatever is measured later.

    <32 hexadecimal digits>.trainings      the trainings of a block that were made at once, never changed

A training is found by its learner's fingerprint and by the exact weights of the units that the steps use.
Kept are its parameters, so that any measurement can be taken later; trainings.py describes such a file.

Any number of processes may fill one bank. Each writes files of names of its own, which are flushed to the
disk before they are renamed; no file is shared, and the index is made from the headers. So a kill loses at
most the trainings in progress, and two processes that make the same training keep it twice, which is
harmless. Nothing in a folder is trusted: a file that is damaged, or no file of a bank, is named in a warning
and not used. It cannot be verified that numbers are true: whoever changes them can change their checksums
too.
"""
import logging
import os
from os import PathLike
from pathlib import Path
from threading import RLock
from typing import Any, Iterable, Union
from uuid import uuid4

import numpy as np
from numpy.typing import ArrayLike

from circuit.checks import checked_learner
from circuit.errors import LearnerError, StoreError

from .arrays import Damage, not_finite
from .manifest import fingerprint
from .trainings import (
    REAL, SUFFIX, WHOLE, key_of, read_header, read_rows, remove_abandoned, write_rows)

log = logging.getLogger("deletion")


class Bank:
    """Retrainings on disk, which every later call with the same learner and weights finds there.

    The parameters are those of the machine that trained: another processor may round their last digits
    differently.

    Parameters
    ----------
    path : str or PathLike
        The folder; it is made if there is none. Several processes may use one at a time.

    Raises
    ------
    StoreError
        If the folder cannot be used.

    Examples
    --------
    >>> import tempfile
    >>> from deletion import SGD, Bank, Learner, retrain
    >>> learner = Learner([0.0], [1.0, 2.0, 6.0], lambda w, x: (w[0] - x) ** 2, SGD(0.3), [range(3)] * 40)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     bank = Bank(folder)
    ...     first = retrain(learner, [[2], [0]], bank=bank, progress=False)
    ...     later = retrain(learner, [[0], [2]], lambda w: 2.0 * w[0], bank=bank, progress=False)
    ...     print(len(bank), later.round(3))
    2 [8. 3.]
    """

    def __init__(self, path: Union[str, PathLike]):
        if not isinstance(path, (str, PathLike)):
            raise LearnerError(f"a bank is kept in a folder: expected its path, got {path!r:.60}")
        self.path, self._lock = Path(path), RLock()
        self._headers, self._refused = {}, set()      # of files, by name
        self._places = {}      # by learner, then by key: (name of the file, number of the row)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            remove_abandoned(self.path)
        except OSError as error:
            raise StoreError(f"cannot keep retrainings in {path}: {error.strerror}") from None
        self.refresh()

    def __reduce__(self):
        return Bank, (self.path,)      # other processes make an index of their own

    def __repr__(self):
        return f"<bank in {self.path}: {len(self):,} trainings, {self.bytes:,} bytes>"

    def __len__(self):
        self.refresh()
        return sum(map(len, self._places.values()))

    @property
    def bytes(self) -> int:
        """The size of all its files in bytes."""
        self.refresh()
        with self._lock:
            return sum(header.size for header in self._headers.values())

    def known(self, learner: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return everything that is kept for a learner, in an order that depends on nothing else.

        Parameters
        ----------
        learner : Learner
            The learner; any that has the same fingerprint will do.

        Returns
        -------
        (weights, parameters) : (np.ndarray, np.ndarray)
            Of shapes (k, units) and (k, parameters). A unit that no step uses has the weight 1.
        """
        return self.of(learner).everything()

    def of(self, learner: Any, measured: Any = None) -> "Shelf":
        """Return the part of the bank that holds trainings of one learner, or gradients of a measurement.

        Parameters
        ----------
        learner : Learner
            The learner.
        measured : Circuit, optional
            Of a measurement, whose value, finite steps and slopes are kept for each row of weights.

        Returns
        -------
        Shelf
        """
        return Shelf(self, checked_learner(learner), measured)

    def refresh(self) -> None:
        """Read the headers of the files that other processes have finished since the last look.

        Raises
        ------
        StoreError
            If the folder cannot be read.
        """
        try:
            with os.scandir(self.path) as entries:
                names = {entry.name for entry in entries if entry.name.endswith(SUFFIX)}
        except OSError as error:
            raise StoreError(f"cannot read the bank in {self.path}: {error.strerror}") from None
        with self._lock:
            gone = self._headers.keys() - names
            for name in gone:
                del self._headers[name]
            if gone:
                self._make_index()
            for name in sorted(names - self._headers.keys() - self._refused):
                try:
                    self._headers[name] = read_header(self.path / name)
                except Damage as damage:
                    self.refuse(name, damage)
                else:
                    self._enter(name)

    def refuse(self, name: str, damage: Exception) -> None:
        """Warn of a damaged file, and use none of its trainings.

        Parameters
        ----------
        name : str
            The file's name.
        damage : Exception
            What is wrong with it.
        """
        log.warning("%s. It is not used, and the trainings in it are made again when they are asked for: "
                    "remove it", damage)
        with self._lock:
            self._refused.add(name)
            if self._headers.pop(name, None):
                self._make_index()

    def _make_index(self):
        self._places = {}
        for name in self._headers:
            self._enter(name)

    def _enter(self, name):
        header = self._headers[name]
        places = self._places.setdefault(header.learner, {})
        for row, key in enumerate(header.keys):
            places.setdefault(key, (name, row))

    def keys(self, learner: str) -> set:
        """Return the keys of the trainings that are kept of a learner.

        Parameters
        ----------
        learner : str
            The learner's fingerprint.

        Returns
        -------
        set of str
        """
        with self._lock:
            return set(self._places.get(learner, ()))

    def places(self, learner: str, keys: Iterable | None = None) -> dict:
        """Return where the trainings of a learner are: {name of the file: (its Header, numbers of rows)}.

        Parameters
        ----------
        learner : str
            The learner's fingerprint.
        keys : iterable of str, optional
            Which trainings; by default all.

        Returns
        -------
        dict
        """
        with self._lock:
            places, files = self._places.get(learner, {}), {}
            for key in places if keys is None else keys:
                if key in places:
                    name, row = places[key]
                    files.setdefault(name, (self._headers[name], []))[1].append(row)
            return files


class Shelf:
    """The trainings of a learner in a bank, or gradients of a measurement. Rows of weights are (k, units).

    What is kept for a row of weights are numbers: the trained parameters, or a measurement's value, finite
    steps and slopes.

    Parameters
    ----------
    bank : Bank
        The bank.
    learner : Learner
        The learner.
    measured : Circuit, optional
        Of the measurement.
    """

    def __init__(self, bank, learner, measured=None):
        self.bank, self.parts, size = bank, learner.fingerprint_parts(), learner.layout.size
        if measured is not None:
            self.parts = self.parts | {"measurement": measured.fingerprint()}
            size = int(np.prod(measured.shapes[measured.outputs[0]])) * (1 + 2 * learner.unit_count)
        self.learner = fingerprint(self.parts, {})
        self.used, self.sizes = learner.used, (learner.unit_count, size)

    def keys(self, weights: ArrayLike) -> list:
        """Return the key of each row of weights.

        Parameters
        ----------
        weights : array_like, (k, units)
            Equal keys mean the same training.

        Returns
        -------
        list of str
        """
        return [key_of(self._packed(row)) for row in np.asarray(weights, float)]

    def _packed(self, row):
        """A row of weights as bytes: the units of weights other than 1, and these weights."""
        units = np.flatnonzero((row != 1.0) & self.used)
        return units.astype(WHOLE).tobytes() + (row[units] + 0.0).astype(REAL).tobytes()      # -0 is 0

    def contains(self, weights: ArrayLike) -> np.ndarray:
        """Return whether each training is kept, as far as the headers of the files say.

        Parameters
        ----------
        weights : array_like, (k, units)
            The weights of each training.

        Returns
        -------
        np.ndarray of bool, (k,)
        """
        self.bank.refresh()
        kept = self.bank.keys(self.learner)
        return np.array([key in kept for key in self.keys(weights)], bool)

    def read(self, keys: Iterable) -> dict:
        """Return the parameters of those trainings that are kept; only their rows are read.

        Parameters
        ----------
        keys : iterable of str
            Keys of trainings.

        Returns
        -------
        dict of np.ndarray, (parameters,)
            By key.
        """
        self.bank.refresh()
        return {key: parameters for key, (_, parameters) in self._rows(set(keys)).items()}

    def everything(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the weights (k, units) and the parameters (k, parameters) of all trainings, by key."""
        self.bank.refresh()
        rows = self._rows(None)
        weights, parameters = np.ones((len(rows), self.sizes[0])), np.zeros((len(rows), self.sizes[1]))
        for k, key in enumerate(sorted(rows)):
            (units, values), parameters[k] = rows[key]
            weights[k, units] = values
        return weights, parameters

    def _rows(self, keys):
        """{key: ((units, weights), parameters)} of the trainings that are kept, of all if keys is None."""
        found, damaged = {}, True
        while damaged:      # the same training may be kept elsewhere too
            damaged = False
            left = keys if keys is None else keys - found.keys()
            for name, (header, rows) in self.bank.places(self.learner, left).items():
                try:
                    found |= read_rows(self.bank.path / name, header, rows, self.sizes)
                except Damage as damage:
                    self.bank.refuse(name, damage)
                    damaged = True
        return found

    def add(self, weights: np.ndarray, parameters: np.ndarray) -> None:
        """Keep finished trainings, in one new file.

        Parameters
        ----------
        weights : np.ndarray, (k, units)
            The weights of each training.
        parameters : np.ndarray, (k, parameters)
            Where each training ended.

        Raises
        ------
        StoreError
            If the file cannot be written.
        """
        if not np.isfinite(parameters).all():
            raise LearnerError("trained parameters to keep are finite numbers: " + not_finite(parameters))
        write_rows(self.bank.path / f"{uuid4().hex}{SUFFIX}", self.parts, self.sizes,
                   [self._packed(row) for row in weights], parameters)


def checked_bank(bank):
    """Return a Bank: the one given, or the one in a folder; None stays None."""
    if bank is None or isinstance(bank, Bank):
        return bank
    if isinstance(bank, (str, PathLike)):
        return Bank(bank)
    raise LearnerError(f"bank: expected a Bank or the path of its folder, got {bank!r:.60}")
