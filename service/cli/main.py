"""Where `darkroom` begins. Little is imported before Ctrl-C and the standard streams are as they should be."""

import os
import signal
import sys

from service.cli.interrupts import ctrl_c_ends


def main() -> None:
    """Run the command that the arguments name, and exit as it says."""
    with ctrl_c_ends():
        from service.cli.group import run
        from service.cli.streams import steady_streams
        from service.loopback import reach_loopback_directly

        steady_streams()
        reach_loopback_directly(os.environ)
    code = run()
    # Nothing is left to be interrupted.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(code)


if __name__ == "__main__":
    main()
