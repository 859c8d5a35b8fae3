"""Looks up the discount of an article, which few articles have."""

from shared import modes, ratio, ready

ARTICLES = ["A-%d" % n for n in range(100000)]
DISCOUNTS = {"A-%d" % n: 5 for n in range(0, 100000, 1000)}


def discount(table, article):
    try:
        value = table[article]  # here
    except KeyError:  # here
        value = 0  # here
    return value


def discount_or_none(table, article):
    return table.get(article, 0)


def discounts(look_up, table):
    total = 0
    for article in ARTICLES:
        total += look_up(table, article)
    return total


def main(look_up, table):
    ready()
    while True:
        discounts(look_up, table)


EVERYWHERE = {article: 3 for article in ARTICLES}
NEARLY_EVERYWHERE = {article: 3 for article in ARTICLES[:-100]}

modes(
    {
        "slow": lambda: main(discount, DISCOUNTS),
        "fixed": lambda: main(discount_or_none, DISCOUNTS),
        "no_misses": lambda: main(discount, EVERYWHERE),
        "rare_misses": lambda: main(discount, NEARLY_EVERYWHERE),
        "ratio": lambda: ratio(
            lambda: discounts(discount, DISCOUNTS), lambda: discounts(discount_or_none, DISCOUNTS)
        ),
    }
)
