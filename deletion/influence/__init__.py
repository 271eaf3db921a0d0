"""Influence functions and their relatives: other answers to what would have been without some examples."""
