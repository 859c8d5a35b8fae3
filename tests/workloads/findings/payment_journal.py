"""Signs payments and writes them to a journal that must outlive a crash."""

import hashlib
import os
import shutil
import tempfile

from shared import at_end, modes, ratio, ready

PAYMENTS = [b"payment %d of 1299 cents\n" % n for n in range(2000)]


class Journal:
    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="journal-", dir="/var/tmp")
        at_end(self.remove)
        self.file = open(os.path.join(self.folder, "payments"), "wb")

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def append(self, payment):
        self.file.write(sign(payment))
        self.file.flush()
        os.fsync(self.file.fileno())  # here

    def write(self, payment):
        self.file.write(sign(payment))

    def begin_anew(self):
        self.file.seek(0)
        self.file.truncate()


def sign(payment):
    return hashlib.pbkdf2_hmac("sha256", payment, b"key of the shop", 200).hex().encode() + b" " + payment


def pay(journal, payments):
    journal.begin_anew()
    for payment in payments:
        journal.append(payment)


def pay_in_batches(journal, payments):
    journal.begin_anew()
    for payment in payments:
        journal.write(payment)
    journal.file.flush()
    os.fsync(journal.file.fileno())


def pay_without_sync(journal, payments):
    journal.begin_anew()
    for payment in payments:
        journal.write(payment)
        journal.file.flush()


def main(work, journal):
    ready()
    while True:
        work(journal, PAYMENTS)


def compare(journal):
    ratio(lambda: pay(journal, PAYMENTS[:300]), lambda: pay_in_batches(journal, PAYMENTS[:300]))
    journal.remove()


modes(
    {
        "slow": lambda: main(pay, Journal()),
        "fixed": lambda: main(pay_in_batches, Journal()),
        "buffered": lambda: main(pay_without_sync, Journal()),
        "ratio": lambda: compare(Journal()),
    }
)
