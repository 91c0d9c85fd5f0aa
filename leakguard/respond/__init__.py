"""Thinking about an incident: how bad, what to do, what may not be done yet. Touches nothing."""
