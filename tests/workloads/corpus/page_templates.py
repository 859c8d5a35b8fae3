"""Renders pages by string formatting."""

import own_clocks

ROW = "<tr><td>{name}</td><td class='{tone}'>{price:.2f}</td></tr>"


def page(goods):
    rows = []
    for good in goods:
        tone = "cheap" if good["price"] < 50 else "dear"
        rows.append(ROW.format(name=good["name"].title(), tone=tone, price=good["price"]))  # here
    return "<table>%s</table>" % "".join(rows)


def main():
    goods = [{"name": "article %d" % n, "price": n * 1.37 % 100} for n in range(300)]
    own_clocks.ready()
    while True:
        page(goods)


main()
