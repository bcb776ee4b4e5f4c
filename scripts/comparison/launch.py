"""Runs one command, and prints its wall time, peak memory and status. Arguments: TIMEOUT COMMAND...

A process begins with the peak of the process that starts it, so this one is small.
"""

import os
import signal
import sys
import time

timeout, *command = sys.argv[1:]
# In a group of its own, so that all of its processes can be stopped.
start = time.perf_counter()
child = os.posix_spawnp(command[0], command, os.environ, setpgroup=0)


def stop(*_):
    os.killpg(child, signal.SIGKILL)


signal.signal(signal.SIGALRM, stop)
signal.signal(signal.SIGTERM, stop)
signal.setitimer(signal.ITIMER_REAL, float(timeout))
_, status, usage = os.wait4(child, 0)
seconds = time.perf_counter() - start
signal.setitimer(signal.ITIMER_REAL, 0)
with open("run.txt", "w") as file:
    print(seconds, usage.ru_maxrss * 1024, os.waitstatus_to_exitcode(status), file=file)
