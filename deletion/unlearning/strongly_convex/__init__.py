"""Rules for strongly convex objectives: near a minimiser that deletion moves little, and with a bound of
how far they end from it.

Reading order: descent (full batches), stochastic (small ones), certified (a Newton step whose rest is
hidden by a random linear term), alpha (the same step, and noise that needs no delta).
"""
