"""Incidents and rotations, kept: the only room that knows SQL. Nothing here is imported early."""
