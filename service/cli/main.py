"""Where `darkroom` begins. Little is imported before Ctrl-C and the standard streams are as they should be."""

import os
import signal
import sys


def main() -> None:
    """Run the command that the arguments name, and exit as it says."""
    interruptible = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if interruptible:
        # Until there is something to interrupt, Ctrl-C just ends the process: no traceback of an import.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from service.cli.group import run
    from service.cli.streams import steady_streams
    from service.processes.loopback import reach_loopback_directly

    steady_streams()
    reach_loopback_directly(os.environ)
    if interruptible:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    code = run()
    # Nothing is left to be interrupted.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(code)


if __name__ == "__main__":
    main()
