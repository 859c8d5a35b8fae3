"""Saves four hosts, each by a program of its own."""

import subprocess

from shared import modes, ratio, ready

HOSTS = ["0.15", "0.16", "0.17", "0.18"]


def command(host):
    return ["sleep", host]


def save(hosts):
    failed = 0
    for host in hosts:
        failed += subprocess.run(command(host)).returncode != 0  # here
    return failed


def save_together(hosts):
    children = [subprocess.Popen(command(host)) for host in hosts]
    return sum(child.wait() != 0 for child in children)


def supervise(_hosts):
    return subprocess.Popen(["sleep", "1000"]).wait()


def main(work):
    ready()
    while True:
        work(HOSTS)


modes(
    {
        "slow": lambda: main(save),
        "fixed": lambda: main(save_together),
        "supervisor": lambda: main(supervise),
        "ratio": lambda: ratio(lambda: save(HOSTS), lambda: save_together(HOSTS)),
    }
)
