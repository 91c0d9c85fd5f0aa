"""`leakguard` and `python -m leakguard`."""

import os
import sys

from leakguard import cli


def main() -> None:
    """Run, flush, and leave at once: tearing the interpreter down costs a hook 3 ms."""
    _open_standard_streams()
    code = cli.main(sys.argv[1:])
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            pass  # whoever read our output has gone
    os._exit(code)


def _open_standard_streams() -> None:
    """Whoever closed one of them must not have a pipe to git appear in its place."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            while os.open(os.devnull, os.O_RDWR) < number:
                pass
            setattr(sys, name, open(number, "w" if number else "r"))  # noqa: SIM115


if __name__ == "__main__":
    main()
