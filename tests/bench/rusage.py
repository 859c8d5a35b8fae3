"""Runs a command and prints, after all that it printed, what the kernel charged for it.

`rusage.py CMD ...`; one line of JSON on stdout, the command's exit status as its own.
"""

import json
import os
import sys

pid = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(pid, 0)
print(
    json.dumps(
        {
            "user_s": usage.ru_utime,
            "system_s": usage.ru_stime,
            "max_rss_bytes": usage.ru_maxrss * 1024,
        }
    )
)
sys.exit(os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status))
