"""A sketch's folder: written so that a killed process leaves nothing half done, read so that a stranger's
folder does no harm.

Reading order: store, files, manifest, arrays, blocks.
"""
