"""What may go wrong in the middle of a rotation, and what has to be true afterwards.

A sample runs with the other tests; everything under the marker `faults`.
"""
