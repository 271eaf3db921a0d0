"""Taylor arithmetic on single polynomials: what gates do to the coefficients of u_0 + u_1 t + ... + u_p t^p.

These are coefficients, never derivatives. u.constant is u_0: real, and the same for every direction; in plain
calculations side by side it is one number per lane, and there are no coefficients. u[r], r = 1..p, holds the
complex coefficient of order r of every direction of the block (see vectors/lanes.py), so each line below is
the textbook formula.

There are three kinds of rule: linear (order by order), bilinear (the truncated convolution), and functions
given by a differential equation y' = s x', whose coefficients follow from the slope series s by one
recurrence, `chain` (Griewank & Walther, Evaluating Derivatives, 2nd ed., ch. 13). Every rule writes y and
reads the others; y must not be one of them.
"""
from numba import config

if config.DISABLE_JIT:
    from .vectors.plain import exponential, fused, local, math, positive, rule, zero
else:
    import math

    from .vectors.elements import local
    from .vectors.lanes import exponential, fused, positive, rule, zero

UNROLLED = 8
"""Degrees up to which loops over orders are written out by the compiler."""


@rule
def stop(form, r):
    """Where a loop over j < r may stop. At low degrees this is a fixed count, so that the compiler writes the
    loop out and keeps every coefficient in a register; the caller skips j >= r, which costs nothing then."""
    return form.degree if form.degree <= UNROLLED else r


# linear -----------------------------------------------------------------------------------------------------

@rule
def lift(form, y, x):
    """y = x_0: a constant as a polynomial."""
    clear(form, y)
    y.constant = x.constant


@rule
def clear(form, y):
    """y = 0."""
    clear_lanes(form, y)
    y.constant = 0.0


@rule
def copy(form, y, x):
    """y = x."""
    copy_lanes(form, y, x)
    y.constant = x.constant


@rule
def clear_lanes(form, y):
    """What differs from lane to lane in y = 0."""
    if not form.shared:
        y.constant = 0.0
    for r in range(1, form.degree + 1):
        y[r] = zero(form)


@rule
def copy_lanes(form, y, x):
    """What differs from lane to lane in y = x."""
    if not form.shared:
        y.constant = x.constant
    for r in range(1, form.degree + 1):
        y[r] = x[r]


@rule
def combine(form, y, a, b, alpha, beta):
    """y = alpha a + beta b."""
    y.constant = alpha * a.constant + beta * b.constant
    for r in range(1, form.degree + 1):
        y[r] = alpha * a[r] + beta * b[r]


@rule
def combine_constant(form, y, a, b, alpha, beta):
    """y = alpha a + beta b_0, where b is only a constant."""
    y.constant = alpha * a.constant + beta * b.constant
    for r in range(1, form.degree + 1):
        y[r] = alpha * a[r]


@rule
def accumulate(form, y, x):
    """y += x."""
    y.constant = y.constant + x.constant
    for r in range(1, form.degree + 1):
        y[r] = y[r] + x[r]


@rule
def scale(form, y, x, by):
    """y = by x."""
    y.constant = by * x.constant
    for r in range(1, form.degree + 1):
        y[r] = by * x[r]


@rule
def shift(form, y, x, alpha, by):
    """y = alpha x + by."""
    y.constant = alpha * x.constant + by
    for r in range(1, form.degree + 1):
        y[r] = alpha * x[r]


# bilinear: the truncated convolution ------------------------------------------------------------------------

@rule
def convolve(form, total, a, b, r):
    """total + sum_{j=0..r} a_j b_{r-j}, for r >= 1."""
    total = total + a.constant * b[r] + b.constant * a[r]
    for j in range(1, stop(form, r)):
        if j < r:
            total = total + a[j] * b[r - j]
    return total


@rule
def convolve_four(y, a, b, r):
    """y_{r+i} += sum_{j=0..r+i} a_j b_{r+i-j}, i = 0..3, r >= 1: four orders share coefficients they load."""
    y0 = y[r] + a.constant * b[r] + b.constant * a[r]
    y1 = y[r + 1] + a.constant * b[r + 1] + b.constant * a[r + 1] + a[r] * b[1]
    y2 = y[r + 2] + a.constant * b[r + 2] + b.constant * a[r + 2] + a[r] * b[2] + a[r + 1] * b[1]
    y3 = (y[r + 3] + a.constant * b[r + 3] + b.constant * a[r + 3] + a[r] * b[3] + a[r + 1] * b[2]
          + a[r + 2] * b[1])
    b1, b2, b3 = b[r], b[r + 1], b[r + 2]
    for j in range(1, r):
        a_j, b0 = a[j], b[r - j]
        y0 = y0 + a_j * b0
        y1 = y1 + a_j * b1
        y2 = y2 + a_j * b2
        y3 = y3 + a_j * b3
        b1, b2, b3 = b0, b1, b2
    y[r], y[r + 1], y[r + 2], y[r + 3] = y0, y1, y2, y3


@rule
def multiply_add_lanes(form, y, a, b):
    """What differs from lane to lane in y += a b."""
    if not form.shared:
        y.constant = fused(a.constant, b.constant, y.constant)
    first = 1
    if form.degree > UNROLLED:
        for r in range(1, form.degree - 2, 4):
            convolve_four(y, a, b, r)
        first = form.degree - form.degree % 4 + 1
    for r in range(first, form.degree + 1):
        y[r] = convolve(form, y[r], a, b, r)


@rule
def multiply(form, y, a, b):
    """y = a b."""
    if form.degree > UNROLLED:
        clear(form, y)
        multiply_add_lanes(form, y, a, b)
    else:
        for r in range(1, form.degree + 1):
            y[r] = convolve(form, zero(form), a, b, r)
    y.constant = a.constant * b.constant


@rule
def multiply_constant(form, y, a, b):
    """y = a b_0, where b is only a constant."""
    scale(form, y, a, b.constant)


@rule
def multiply_add_constant_lanes(form, y, a, b):
    """What differs from lane to lane in y += a b_0, where b is only a constant."""
    if not form.shared:
        y.constant = fused(a.constant, b.constant, y.constant)
    for r in range(1, form.degree + 1):
        y[r] = y[r] + b.constant * a[r]


@rule
def power_whole(form, y, x, exponent):
    """y = x^n for a whole n >= 0, by repeated squaring: x_0 may be zero."""
    n = int(exponent)
    base, spare = local(form), local(form)
    copy(form, base, x)
    clear(form, y)
    y.constant = 1.0
    while n > 0:
        if n % 2 == 1:
            multiply(form, spare, y, base)
            copy(form, y, spare)
        n //= 2
        if n > 0:
            multiply(form, spare, base, base)
            copy(form, base, spare)


# functions given by y' = s x' -------------------------------------------------------------------------------

@rule
def chain(form, x, s, r):
    """Coefficient r of y, where y' = s x':  y_r = (1/r) sum_{j=1..r} j x_j s_{r-j}."""
    total = r * s.constant * x[r]
    for j in range(1, stop(form, r)):
        if j < r:
            total = total + j * (x[j] * s[r - j])
    return (1.0 / r) * total


@rule
def exp(form, y, x):
    """y = e^x; slope y."""
    y.constant = exponential(x.constant)
    for r in range(1, form.degree + 1):
        y[r] = chain(form, x, y, r)


@rule
def expm1(form, y, x):
    """y = e^x - 1; slope y + 1, which is e^x."""
    exp(form, y, x)
    y.constant = math.expm1(x.constant)


@rule
def log(form, y, x):
    """y = log x, from x y' = x':  x_0 y_r = x_r - (1/r) sum_{j=1..r-1} j y_j x_{r-j}."""
    y.constant = math.log(x.constant)
    inverse = 1.0 / x.constant
    for r in range(1, form.degree + 1):
        total = zero(form)
        for j in range(1, stop(form, r)):
            if j < r:
                total = total + j * (y[j] * x[r - j])
        y[r] = inverse * (x[r] - (1.0 / r) * total)


@rule
def log1p(form, y, x):
    """y = log(1 + x)."""
    w = local(form)
    copy(form, w, x)
    w.constant = 1.0 + x.constant
    log(form, y, w)
    y.constant = math.log1p(x.constant)


@rule
def power_orders(form, y, x, exponent):
    """Of y = x^a, from x y' = a x' y: the orders r x_0 y_r = sum_{j=1..r} (a j - (r - j)) x_j y_{r-j}."""
    inverse = 1.0 / x.constant
    for r in range(1, form.degree + 1):
        total = exponent * r * y.constant * x[r]
        for j in range(1, stop(form, r)):
            if j < r:
                total = total + (exponent * j - (r - j)) * (x[j] * y[r - j])
        y[r] = inverse / r * total


@rule
def power(form, y, x, exponent):
    """y = x^a."""
    y.constant = x.constant ** exponent
    power_orders(form, y, x, exponent)


@rule
def inverse(form, y, x):
    """y = 1 / x."""
    y.constant = 1.0 / x.constant
    power_orders(form, y, x, -1.0)


@rule
def inverse_root(form, y, x):
    """y = x^(-1/2), as Adam and RMSNorm have it."""
    y.constant = 1.0 / math.sqrt(x.constant)
    power_orders(form, y, x, -0.5)


@rule
def inverse_root_cubed(form, y, x):
    """y = x^(-3/2), the slope of x^(-1/2) but for a factor."""
    y.constant = 1.0 / (x.constant * math.sqrt(x.constant))
    power_orders(form, y, x, -1.5)


@rule
def tanh(form, y, x):
    """y = tanh x; slope s = 1 - y y."""
    s = local(form)
    y.constant = math.tanh(x.constant)
    s.constant = 1.0 - y.constant * y.constant
    for r in range(1, form.degree + 1):
        y[r] = chain(form, x, s, r)
        s[r] = zero(form) - convolve(form, zero(form), y, y, r)


@rule
def sigmoid(form, y, x):
    """y = 1 / (1 + e^-x); slope s = y - y y."""
    s = local(form)
    above = positive(x.constant)
    e = exponential((1.0 - 2.0 * above) * x.constant)      # e^-|x|
    y.constant = (above + (1.0 - above) * e) / (1.0 + e)
    s.constant = e / ((1.0 + e) * (1.0 + e))
    for r in range(1, form.degree + 1):
        y[r] = chain(form, x, s, r)
        s[r] = y[r] - convolve(form, zero(form), y, y, r)


@rule
def sin(form, y, x):
    """y = sin x; slope c = cos x, carried along: c' = -y x'."""
    c = local(form)
    y.constant, c.constant = math.sin(x.constant), math.cos(x.constant)
    for r in range(1, form.degree + 1):
        y[r] = chain(form, x, c, r)
        c[r] = zero(form) - chain(form, x, y, r)


@rule
def cos(form, y, x):
    """y = cos x; slope -s, with s = sin x carried along: s' = y x'."""
    s = local(form)
    y.constant, s.constant = math.cos(x.constant), math.sin(x.constant)
    for r in range(1, form.degree + 1):
        y[r] = zero(form) - chain(form, x, s, r)
        s[r] = chain(form, x, y, r)


@rule
def arctan(form, y, x):
    """y = arctan x; slope 1 / (1 + x^2)."""
    s, w = local(form), local(form)
    multiply(form, w, x, x)
    w.constant = 1.0 + w.constant
    inverse(form, s, w)
    y.constant = math.atan(x.constant)
    for r in range(1, form.degree + 1):
        y[r] = chain(form, x, s, r)


@rule
def gaussian(form, y, x, rate):
    """y = e^(-rate x^2)."""
    w, square = local(form), local(form)
    multiply(form, square, x, x)
    scale(form, w, square, -rate)
    exp(form, y, w)


@rule
def erf(form, y, x):
    """y = erf x; slope (2 / sqrt(pi)) e^(-x^2)."""
    e = local(form)
    gaussian(form, e, x, 1.0)
    y.constant = math.erf(x.constant)
    for r in range(1, form.degree + 1):
        y[r] = 2.0 / math.sqrt(math.pi) * chain(form, x, e, r)


@rule
def gelu(form, y, x):
    """y = x Phi(x); Phi has slope e^(-x^2/2) / sqrt(2 pi)."""
    e, cumulative = local(form), local(form)
    gaussian(form, e, x, 0.5)
    cumulative.constant = 0.5 * math.erfc(x.constant * -math.sqrt(0.5))
    for r in range(1, form.degree + 1):
        cumulative[r] = 1.0 / math.sqrt(2.0 * math.pi) * chain(form, x, e, r)
    multiply(form, y, x, cumulative)


# piecewise: the constant part decides on the branch ---------------------------------------------------------

@rule
def relu(form, y, x):
    """y = x or 0. The other branch multiplies by 0, so that a NaN stays one."""
    scale(form, y, x, positive(x.constant))


@rule
def abs(form, y, x):
    """y = x or -x."""
    scale(form, y, x, 2.0 * positive(x.constant) - 1.0)


@rule
def step(form, y, x):
    """y = 1 or 0, a constant."""
    clear(form, y)
    y.constant = positive(x.constant)
