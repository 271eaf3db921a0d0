"""A sketch's folder. Writing survives a kill at any moment; reading a folder from an untrusted source is
safe.

Reading order: store, files, manifest, arrays, blocks.
"""
