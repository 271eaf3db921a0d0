"""The numbers that kernels calculate with, compiled (lanes, elements, operations) and in NumPy (plain)."""
