"""The prices of a catalogue with the tax."""

from shared import modes, ratio, ready

PRICES = [n * 137 % 9973 for n in range(200000)]


def gross(prices):
    out = []
    for price in prices:  # here
        out.append(price * 119 // 100)  # here
    return out


def gross_at_once(prices):
    return [price * 119 // 100 for price in prices]


def split(prices):
    cheap, dear = [], []
    for price in prices:
        if price < 5000:
            cheap.append(price)
        else:
            dear.append(price)
    return cheap, dear


def running_labels(prices):
    labels = []
    highest = 0
    for number, price in enumerate(prices):
        if price <= highest and number % 50:
            continue
        highest = max(highest, price)
        text = "no. %d: %d.%02d EUR" % (number, price // 100, price % 100)
        if "99" in text:
            text = text.replace(" EUR", " EUR only")
        labels.append(text)
    return labels


def main(work):
    ready()
    while True:
        work(PRICES)


modes(
    {
        "slow": lambda: main(gross),
        "fixed": lambda: main(gross_at_once),
        "two_lists": lambda: main(split),
        "other_work": lambda: main(running_labels),
        "ratio": lambda: ratio(lambda: gross(PRICES), lambda: gross_at_once(PRICES)),
    }
)
