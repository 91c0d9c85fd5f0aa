"""In a pipeline: which service runs us, which commits its event brings, whose policy holds.

`services/` turns an environment and an event file into an `Event` and touches nothing.
`span` looks into the checkout for the commits, `deepen` is the one place that lets git use
the network, `base_policy` reads the policy of a commit.
"""
