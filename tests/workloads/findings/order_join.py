"""Puts the names of customers to their orders."""

from collections import namedtuple

from shared import modes, ratio, ready

Customer = namedtuple("Customer", "id name")
Order = namedtuple("Order", "number customer_id")

CUSTOMERS = [Customer(n * 7, "Customer %d" % n) for n in range(1000)]
ORDERS = [Order(n, n * 13 % 1000 * 7) for n in range(1000)]
FIELD = [[(row * 31 + column * 17) % 3 == 0 for column in range(100)] for row in range(100)]


def join(orders, customers):
    rows = []
    for order in orders:
        for customer in customers:  # here
            if order.customer_id == customer.id:  # here
                rows.append((order.number, customer.name))
    return rows


def join_by_index(orders, customers):
    by_id = {customer.id: customer for customer in customers}
    rows = []
    for order in orders:
        customer = by_id.get(order.customer_id)
        if customer is not None:
            rows.append((order.number, customer.name))
    return rows


def next_generation(field):
    size = len(field)
    following = []
    for row in range(size):
        above, here, below = field[row - 1], field[row], field[(row + 1) % size]
        cells = []
        for column in range(size):
            left, right = column - 1, (column + 1) % size
            around = above[left] + above[column] + above[right] + here[left] + here[right]
            around += below[left] + below[column] + below[right]
            cells.append(around == 3 or (here[column] and around == 2))
        following.append(cells)
    return following


def favourites(orders, customers):
    rows = []
    for order in orders:
        for customer in customers:
            if customer.id >= order.customer_id % 21:
                rows.append((order.number, customer.name))
                break
    return rows


def main(work, *arguments):
    ready()
    while True:
        work(*arguments)


modes(
    {
        "slow": lambda: main(join, ORDERS, CUSTOMERS),
        "fixed": lambda: main(join_by_index, ORDERS, CUSTOMERS),
        "life": lambda: main(next_generation, FIELD),
        "early_break": lambda: main(favourites, ORDERS, CUSTOMERS),
        "ratio": lambda: ratio(lambda: join(ORDERS, CUSTOMERS), lambda: join_by_index(ORDERS, CUSTOMERS)),
    }
)
