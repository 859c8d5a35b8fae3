"""A recursive descent parser of arithmetic, as in a spreadsheet."""

import own_clocks


class Parser:
    def __init__(self, text):
        self.text = text
        self.at = 0

    def number(self):
        start = self.at
        while self.at < len(self.text) and self.text[self.at].isdigit():  # here
            self.at += 1  # here
        return int(self.text[start : self.at])

    def factor(self):
        if self.text[self.at] == "(":
            self.at += 1
            value = self.sum()
            self.at += 1
            return value
        return self.number()

    def product(self):
        value = self.factor()
        while self.at < len(self.text) and self.text[self.at] == "*":
            self.at += 1
            value = value * self.factor() % 1000003
        return value

    def sum(self):
        value = self.product()
        while self.at < len(self.text) and self.text[self.at] == "+":
            self.at += 1
            value += self.product()
        return value


def main():
    cell = "+".join("(%d*%d+1234567890123)*77777777777777" % (n, n + 9) for n in range(60))
    own_clocks.ready()
    while True:
        Parser(cell).sum()


main()
