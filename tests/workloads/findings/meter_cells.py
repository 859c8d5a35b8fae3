"""Reads the cells of a table of meters, where most cells say that there is no figure."""

from shared import modes, ratio, ready

CELLS = ["n/a" if n % 20 else str(n) for n in range(20000)]
FILLED = [str(n) for n in range(20000)]


def figure(cell):
    try:
        return int(cell)  # here
    except ValueError:  # here
        return None


def figure_if_any(cell):
    return int(cell) if cell.isdigit() else None


def figures(read, cells):
    total = 0
    for cell in cells:
        number = read(cell)
        if number is not None:
            total += number
    return total


def main(read, cells):
    ready()
    while True:
        figures(read, cells)


modes(
    {
        "slow": lambda: main(figure, CELLS),
        "fixed": lambda: main(figure_if_any, CELLS),
        "all_filled": lambda: main(figure, FILLED),
        "ratio": lambda: ratio(lambda: figures(figure, CELLS), lambda: figures(figure_if_any, CELLS)),
    }
)
