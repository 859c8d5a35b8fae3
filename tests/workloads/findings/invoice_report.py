"""Writes a report of invoices, line by line, into one text."""

from shared import modes, ratio, ready

CENTS = [n * 7919 % 100003 for n in range(16000)]
LINE = "%06d  open item of a customer, due in thirty days  %9.2f\n"
LINES = [LINE % (number, cents / 100) for number, cents in enumerate(CENTS)]


class Report:
    def __init__(self):
        self.text = ""

    def add(self, line):
        self.text += line  # here


class JoinedReport:
    def __init__(self):
        self.parts = []

    def add(self, line):
        self.parts.append(line)

    @property
    def text(self):
        return "".join(self.parts)


class Account:
    def __init__(self):
        self.total = 0
        self.entries = []

    def book(self, cents):
        self.total += cents

    def enter(self, cents):
        self.entries += [cents]


def write(report, lines):
    for line in lines:
        report.add(line)
    return report.text


def write_locally(items):
    text = ""
    for number, cents in enumerate(items):
        text += "%06d  %9.2f\n" % (number, cents / 100)
    return text


def book_all(account, items):
    for cents in items:
        account.book(cents)


def enter_all(account, items):
    for cents in items:
        account.enter(cents)


def main(work):
    ready()
    while True:
        work()


modes(
    {
        "slow": lambda: main(lambda: write(Report(), LINES)),
        "fixed": lambda: main(lambda: write(JoinedReport(), LINES)),
        "local": lambda: main(lambda: write_locally(CENTS)),
        "ints": lambda: main(lambda: book_all(Account(), CENTS)),
        "lists": lambda: main(lambda: enter_all(Account(), CENTS)),
        "ratio": lambda: ratio(
            lambda: write(Report(), LINES[:8000]), lambda: write(JoinedReport(), LINES[:8000])
        ),
    }
)
