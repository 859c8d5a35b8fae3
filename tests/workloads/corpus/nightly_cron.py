"""A scheduler that wakes up each second to see whether a job is due."""

import datetime
import time

import own_clocks


class Cron:
    def __init__(self):
        self.jobs = [(hour, "backup-%d" % hour) for hour in range(0, 24, 6)]
        self.last_run = {}

    def due(self, now):
        for hour, name in self.jobs:
            if now.hour == hour and self.last_run.get(name) != now.date():
                yield name

    def run(self):
        while True:
            now = datetime.datetime.now()
            for name in self.due(now):
                self.last_run[name] = now.date()
            time.sleep(1.0)


def main():
    own_clocks.ready()
    Cron().run()


main()
