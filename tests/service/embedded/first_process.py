"""Stands aside as process 1 does, and leaves an orphan behind; it ends with 7, or with what a signal makes of it."""

import ctypes
import signal
import subprocess
import sys
import time
from pathlib import Path

from service.up.first_process import stand_aside

PR_SET_CHILD_SUBREAPER = 36

if __name__ == "__main__":
    # Orphans come to us as they come to process 1.
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    stand_aside()
    if sys.argv[1] == "orphan":
        orphan = subprocess.run(["sh", "-c", "sleep 0.1 & echo $!"], check=True, stdout=subprocess.PIPE).stdout
        while Path(f"/proc/{int(orphan)}").exists():
            time.sleep(0.01)
        sys.exit(7)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    print("ready", flush=True)
    sys.exit(9 if signal.sigwait({signal.SIGTERM}) else 0)
