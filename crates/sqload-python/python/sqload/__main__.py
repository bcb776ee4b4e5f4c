"""The command `sqload`, also as `python -m sqload`."""

import signal
import sys

from . import _sqload


def main() -> int:
    # The program handles signals itself, and ends with its own exit codes.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    return _sqload.main(["sqload", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
