"""The steps. A released one never changes; a new one names the one before."""
