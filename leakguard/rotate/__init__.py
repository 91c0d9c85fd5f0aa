"""From an incident to a dead credential: scripts that act, a journal that survives, proof."""
