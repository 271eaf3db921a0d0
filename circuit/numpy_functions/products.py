"""Sums of products, with the names and arguments of NumPy's; each is one gate `einsum`, or a few."""
from itertools import combinations
from math import prod
from string import ascii_letters

import numpy as np

from ..checks import is_whole
from ..errors import ShapeError
from ..gates.bilinear import einsum_pair
from ..indexing import positions, taken
from ..shapes import one_axis, reshape, several, sum, transpose
from ..wire import Wire, aligned, both_wires, real_constant


def einsum(spec, *operands, optimize=None):
    """Any number of operands; the pair whose product has the fewest elements is multiplied first.

    optimize: accepted and not needed, as the order is always chosen.
    """
    if not isinstance(spec, str):
        raise ShapeError(f"numpy.einsum: expected a text such as 'ij,jk->ik' first, got {spec!r:.60}")
    recorder = next(x.recorder for x in operands if isinstance(x, Wire))
    operands = [x if isinstance(x, Wire) else real_constant(x, recorder) for x in operands]
    inputs, output = letters_of(spec, [x.shape for x in operands])
    sizes = {}
    for letters, x in zip(inputs, operands):
        for letter, n in zip(letters, x.shape):
            sizes[letter] = n if sizes.get(letter, 1) == 1 else sizes[letter]
    terms = [without_repeats(letters, x, sizes) for letters, x in zip(inputs, operands)]
    while len(terms) > 1:
        i, j = min(combinations(range(len(terms)), 2),
                   key=lambda pair: prod(sizes[c] for c in contracted(terms, pair, output)))
        product = times(terms[i], terms[j], contracted(terms, (i, j), output))
        terms = [term for k, term in enumerate(terms) if k not in (i, j)] + [product]
    letters, x = summed(*terms[0], output)
    order = [letters.index(c) for c in output]
    return x if order == list(range(len(order))) else transpose(x, order)


def letters_of(spec, shapes):
    """(the letters of each operand, those of the output), with ... replaced by letters of its own."""
    spec = spec.replace(" ", "")
    inputs, arrow, output = spec.partition("->")
    inputs, free = inputs.split(","), [c for c in ascii_letters if c not in spec]
    if len(inputs) != len(shapes):
        raise ShapeError(f"einsum {spec!r}: {len(shapes)} operands are given for {len(inputs)}")
    counts = [len(shape) - len(part.replace("...", "")) for part, shape in zip(inputs, shapes)]
    most = max([count for part, count in zip(inputs, counts) if "..." in part], default=0)
    dots = "".join(free[:max(most, 0)])
    if not arrow:
        plain = "".join(inputs).replace("...", "")
        output = "..." * ("..." in spec) + "".join(sorted(c for c in set(plain) if plain.count(c) == 1))
    for part, count, shape in zip(inputs, counts, shapes):
        if count < 0 or count and "..." not in part:
            raise ShapeError(f"einsum {spec!r}: operand {part!r} has shape {shape}")
    inputs = [part.replace("...", dots[most - count:]) for part, count in zip(inputs, counts)]
    output = output.replace("...", dots)
    if not set(dots) <= set(output):
        raise ShapeError(f"einsum {spec!r}: the output lacks ..., which the operands have")
    if not ("".join(inputs) + output + "a").isalpha() or len(set(output)) < len(output) \
            or not set(output) <= set("".join(inputs)):
        raise ShapeError(f"einsum {spec!r}: expected letters and ..., and in the output letters of the "
                         "operands, each once")
    return inputs, output


def without_repeats(letters, x, sizes):
    """An operand as (letters, wire): of a repeated letter the diagonal is taken, and an axis of length 1
    goes where it would be broadcast."""
    if len(set(letters)) < len(letters):
        unique = "".join(dict.fromkeys(letters))
        if any(x.shape[i] != x.shape[letters.index(c)] for i, c in enumerate(letters)):
            raise ShapeError(f"einsum: operand {letters!r} has shape {x.shape}, and a repeated letter has "
                             "one length")
        numbers = [ascii_letters.index(c) for c in letters]
        # NumPy itself takes the diagonal of the positions
        x = taken(x, np.einsum(positions(x.shape, ()), numbers, [ascii_letters.index(c) for c in unique]))
        letters = unique
    kept = [i for i, c in enumerate(letters) if x.shape[i] == sizes[c]]
    if any(x.shape[i] != 1 for i in range(x.ndim) if i not in kept):
        raise ShapeError(f"einsum: operand {letters!r} has shape {x.shape}, and others have axes "
                         f"{ {c: sizes[c] for c in letters} }")
    if len(kept) < len(letters):
        x = reshape(x, tuple(x.shape[i] for i in kept))
    return "".join(letters[i] for i in kept), x


def contracted(terms, pair, output):
    """The letters that the product of two terms must keep."""
    others = output + "".join(letters for k, (letters, _) in enumerate(terms) if k not in pair)
    both = terms[pair[0]][0] + terms[pair[1]][0]
    return "".join(c for c in dict.fromkeys(both) if c in others)


def times(a, b, needed):
    """The product of two terms, summed over the letters that are not needed."""
    a, b = summed(*a, needed + b[0]), summed(*b, needed + a[0])
    return needed, einsum_pair(a[1], b[1], spec=f"{a[0]},{b[0]}->{needed}")


def summed(letters, x, needed):
    """A term without the letters that nothing needs."""
    lone = [i for i, c in enumerate(letters) if c not in needed]
    return "".join(c for c in letters if c in needed), sum(x, lone) if lone else x


def matmul(a, b):
    """The product @ of operands of one or more axes; batches broadcast."""
    a, b = both_wires(a, b)
    if not (a.ndim and b.ndim):
        raise ShapeError("@ needs operands with at least one axis; use * for scalars")
    if a.ndim > 2 and b.ndim > 2:
        return einsum("...ij,...jk->...ik", a, b)
    rows, columns = ascii_letters[11 - a.ndim:10], ascii_letters[11:10 + b.ndim]
    # a (.., k) @ b (batch.., k, n) -> batch.., a's rows, n, as in NumPy
    output = columns[:-1] + rows + columns[-1:] if b.ndim > 2 else rows + columns
    return einsum_pair(a, b, spec=f"{rows}k,{columns[:-1]}k{columns[-1:]}->{output}")


def dot(a, b):
    a, b = both_wires(a, b)
    if not (a.ndim and b.ndim):
        return a * b
    return tensordot(a, b, (-1, -2 if b.ndim > 1 else -1))


def inner(a, b):
    a, b = both_wires(a, b)
    return tensordot(a, b, (-1, -1)) if a.ndim and b.ndim else a * b


def outer(a, b):
    a, b = both_wires(a, b)
    return einsum_pair(reshape(a, (a.size,)), reshape(b, (b.size,)), spec="i,j->ij")


def vdot(a, b):
    a, b = both_wires(a, b)
    return einsum_pair(reshape(a, (a.size,)), reshape(b, (b.size,)), spec="i,i->")


def vecdot(a, b, *, axis=-1):
    a, b = aligned(a, b)
    return sum(a * b, one_axis(axis, a.ndim))


def tensordot(a, b, axes=2):
    a, b = both_wires(a, b)
    if is_whole(axes):
        if not 0 <= axes <= min(a.ndim, b.ndim):
            raise ShapeError(f"numpy.tensordot of shapes {a.shape} and {b.shape} over {axes} axes")
        axes = range(-axes, 0), range(axes)
    of_a, of_b = ([one_axis(i, x.ndim) % x.ndim for i in several(listed)] for x, listed in zip((a, b), axes))
    if len(of_a) != len(of_b) or len(set(of_a)) < len(of_a) or len(set(of_b)) < len(of_b):
        raise ShapeError(f"numpy.tensordot: expected as many axes of one operand as of the other, each once, "
                         f"got {axes}")
    letters = list(ascii_letters[:a.ndim]), list(ascii_letters[a.ndim:a.ndim + b.ndim])
    for i, j in zip(of_a, of_b):
        letters[1][j] = letters[0][i]
    output = [c for i, c in enumerate(letters[0]) if i not in of_a]
    output += [c for j, c in enumerate(letters[1]) if j not in of_b]
    return einsum_pair(a, b, spec=f"{''.join(letters[0])},{''.join(letters[1])}->{''.join(output)}")


def trace(x, offset=0, axis1=0, axis2=1):
    return sum(np.diagonal(x, offset, axis1, axis2), -1)
