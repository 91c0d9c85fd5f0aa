"""leakguard stops secrets at the commit and runs the response when one got out."""

__version__ = "0.1.0"
