"""Counts the uploads that are larger than the configuration allows."""

from shared import modes, ratio, ready

SIZES = [n * 7919 % 100003 for n in range(300000)]


class Limits:
    def __init__(self):
        self.maximum = 90000
        self.minimum = 100


class Config:
    def __init__(self):
        self.limits = Limits()


class Quota:
    def __init__(self):
        self.config = Config()
        self.rejected = 0

    def check(self, sizes):
        rejected = 0
        for size in sizes:
            if size > self.config.limits.maximum or size < self.config.limits.minimum:  # here
                rejected += 1
        self.rejected = rejected

    def check_with_locals(self, sizes):
        maximum, minimum = self.config.limits.maximum, self.config.limits.minimum
        rejected = 0
        for size in sizes:
            if size > maximum or size < minimum:
                rejected += 1
        self.rejected = rejected

    def adapt(self, sizes):
        limits = self.config.limits
        for size in sizes:
            if size > limits.maximum:
                limits.maximum += 3
            else:
                limits.maximum -= 1


def main(check):
    ready()
    while True:
        check(SIZES)


QUOTA = Quota()

modes(
    {
        "slow": lambda: main(QUOTA.check),
        "fixed": lambda: main(QUOTA.check_with_locals),
        "changing": lambda: main(QUOTA.adapt),
        "ratio": lambda: ratio(lambda: QUOTA.check(SIZES), lambda: QUOTA.check_with_locals(SIZES)),
    }
)
