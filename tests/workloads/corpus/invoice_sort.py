"""Sorts invoices by a key that is computed in Python."""

import own_clocks


class Invoice:
    def __init__(self, number):
        self.number = number
        self.customer = "customer-%05d" % (number * 7919 % 10007)
        self.cents = number * 104729 % 99991


def by_customer_and_rounding(invoice):
    prefix, _, number = invoice.customer.partition("-")
    return int(number) % 97, -(invoice.cents // 100), prefix  # here


def main():
    invoices = [Invoice(n) for n in range(20000)]
    own_clocks.ready()
    while True:
        sorted(invoices, key=by_customer_and_rounding)


main()
