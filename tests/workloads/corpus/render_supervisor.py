"""A supervisor that asks its renderer's process whether it has ended, again and again."""

import subprocess
import sys

import own_clocks


def render(scene):
    renderer = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)", scene])
    own_clocks.ready()
    while renderer.poll() is None:  # here
        pass
    return renderer.returncode


def main():
    render("office")


main()
