"""What the exit codes mean. One meaning each; the table is a promise to scripts."""

CLEAN = 0
FOUND = 1  # a blocking finding, and nothing else
USAGE = 2
CONFIG = 3  # configuration or a rule is wrong
UNREAD = 4  # something could not be read: not scanned is not clean
OUTCOME = 5  # a provider's or a rotation's outcome is failed or unknown
REFUSED = 6  # a guard refused
OVERDUE = 7  # a deadline is missed
BUG = 70
INTERRUPTED = 130
