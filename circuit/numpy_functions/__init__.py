"""NumPy's own functions, called with wires.

NumPy hands such a call to the wire (`__array_ufunc__`, `__array_function__`); `calls.py` looks the function
up in the one table of `table.py`, which leads to a gate, or to a few lines over gates in `elementwise.py`,
`reductions.py`, `products.py` or `arrangement.py`. `methods.py` holds what wires have as methods. Nothing
else imports this room.
"""
