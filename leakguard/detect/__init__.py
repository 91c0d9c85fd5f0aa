"""Bytes in, candidates and findings out. Nothing here touches disk, clock or network."""
