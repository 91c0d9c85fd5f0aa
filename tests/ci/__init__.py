"""Pipelines: services, events, checkouts, the action."""
