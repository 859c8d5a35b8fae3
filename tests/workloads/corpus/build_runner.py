"""Runs a build step after the other and waits for each."""

import subprocess

import own_clocks


def run_step(step):
    with own_clocks.waiting("child"):
        subprocess.run(["sleep", "0.4"], check=True)  # here
    return step


def main():
    own_clocks.ready()
    while True:
        for step in ("configure", "compile", "link"):
            run_step(step)


main()
