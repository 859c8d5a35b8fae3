"""Parses a feed with lxml and looks for its links by XPath."""

import own_clocks
from lxml import etree


def links(feed):
    tree = etree.fromstring(feed)  # here
    return tree.xpath("//item[contains(title, '7')]/link/@href")  # here


def main():
    items = "".join(
        "<item><title>News %d</title><link href='http://x/%d'/><p>%s</p></item>" % (n, n, "text " * 20)
        for n in range(3000)
    )
    feed = ("<feed>%s</feed>" % items).encode()
    own_clocks.ready()
    while True:
        links(feed)


main()
