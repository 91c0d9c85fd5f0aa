"""What several rotation scripts share: each imports the part it needs, as it does the kit.

A script is pinned by the hash of its own folder; what stands here comes with leakguard, as
`leakguard.rotate.kit` does. Libraries of other people are imported inside the functions.
"""
