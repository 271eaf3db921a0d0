"""Modules of PyTorch as circuits.

Reading order: graphs (how an exported module is read, what from_torch returns), rules and moves (what its
operations become).
"""
