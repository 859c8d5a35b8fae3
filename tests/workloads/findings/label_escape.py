"""Writes the names of customers into labels that are XML."""

from xml.sax import saxutils as saxutils_of_start

from shared import modes, ratio, ready

NAMES = ["Miller & Sons no. %d" % n for n in range(100000)]
_saxutils = None


def escaped(name):
    from xml.sax import saxutils  # here

    return saxutils.escape(name)


def escaped_at_once(name):
    return saxutils_of_start.escape(name)


def escaped_later(name):
    global _saxutils
    if _saxutils is None:
        from xml.sax import saxutils

        _saxutils = saxutils
    return _saxutils.escape(name)


def labels(escape):
    longest = ""
    for name in NAMES:
        text = escape(name)
        if len(text) > len(longest):
            longest = text
    return longest


def main(escape):
    ready()
    while True:
        labels(escape)


modes(
    {
        "slow": lambda: main(escaped),
        "fixed": lambda: main(escaped_at_once),
        "once": lambda: main(escaped_later),
        "ratio": lambda: ratio(lambda: labels(escaped), lambda: labels(escaped_at_once)),
    }
)
