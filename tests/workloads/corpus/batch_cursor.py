"""A loop that looks like a spin: `while cursor: pass`. Asking the cursor does the work."""

import own_clocks


class Migration:
    """Truth-testing it migrates the next row."""

    def __init__(self, rows):
        self.rows = rows
        self.at = 0
        self.checksum = 0

    def __bool__(self):
        row = self.rows[self.at % len(self.rows)]
        self.checksum = (self.checksum * 31 + sum(row)) & 0xFFFFFFFF  # here
        self.at += 1  # here
        return True


def migrate(cursor):
    while cursor:
        pass


def main():
    rows = [(n, n * 3, n * 7, n % 11) for n in range(500)]
    own_clocks.ready()
    migrate(Migration(rows))


main()
