"""The only rooms that talk to services. No command of the gate imports them."""
