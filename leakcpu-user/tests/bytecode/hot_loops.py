"""Functions that `hot_loops.rs` asks about: what their innermost loop fills, and what it looks up
though it does not change it."""

import math

LIMITS = None


def fills(prices):
    out = []
    for price in prices:
        out.append(price * 119 // 100)
    return out


def fills_some(prices, least):
    out = []
    for price in prices:
        if price is not None and price > least:
            out.append(str(price))
    return out


def fills_with_targets(pairs):
    out = []
    for (name, price), *rest in pairs:
        out.append(name if price else rest)
    return out


def fills_in_with(lock, prices):
    out = []
    with lock:
        for price in prices:
            out.append(round(price, 2))
    return out


def fills_in_try(prices):
    out = []
    try:
        for price in prices:
            out.append(int(price, base=10))
    except ValueError:
        return None
    return out


def fills_unless(prices):
    out = []
    for price in prices:
        if price < 0:
            continue
        out.append(price)
    return out


def fills_inner(groups):
    for group in groups:
        out = []
        for price in group:
            out.append(price)
        print(out)


def fills_in_turns(groups):
    out = []
    for group in groups:
        for price in group:
            out.append(price)
        out.append(None)
    return out


def more_two_lists(prices):
    cheap, dear = [], []
    for price in prices:
        if price < 5000:
            cheap.append(price)
        else:
            dear.append(price)
    return cheap, dear


def more_counts(prices):
    out, count = [], 0
    for price in prices:
        count += 1
        out.append(price)
    return out, count


def more_reads_it(prices):
    out = [0]
    for price in prices:
        out.append(out[-1] + price)
    return out


def more_ends_early(prices):
    out = []
    for price in prices:
        if price < 0:
            break
        out.append(price)
    return out


def more_returns_early(prices):
    out = []
    for price in prices:
        if price < 0:
            return None
        out.append(price)
    return out


def more_raises(prices):
    out = []
    for price in prices:
        if price < 0:
            raise ValueError(price)
        out.append(price)
    return out


def more_handles(prices):
    out = []
    for price in prices:
        try:
            out.append(int(price))
        except ValueError:
            continue
    return out


def more_handles_and_ends(prices):
    out = []
    for price in prices:
        try:
            out.append(int(price))
        except ValueError:
            break
    return out


def more_prints(prices):
    out = []
    for price in prices:
        out.append(price)
        print(price)
    return out


def more_extends(prices):
    out = []
    for price in prices:
        out.extend(price)
    return out


def more_of_attribute(self, prices):
    for price in prices:
        self.out.append(price)


def more_of_its_own(prices):
    for price in prices:
        price.append(price)


def more_result(out, prices):
    for price in prices:
        out.append(price)(price)


def more_yields(prices):
    out = []
    for price in prices:
        out.append((yield price))
    return out


async def more_awaits(prices):
    out = []
    for price in prices:
        out.append(await price)
    return out


def more_while(prices):
    out = []
    while prices:
        out.append(prices.pop())
    return out


def more_stores(prices, table):
    out = []
    for price in prices:
        table[price] = True
        out.append(price)
    return out


def steady_chain(self, sizes):
    rejected = 0
    for size in sizes:
        if size > self.config.limits.maximum or size < self.config.limits.minimum:
            rejected += 1
    return rejected


def steady_global(sizes):
    total = 0
    for size in sizes:
        total += LIMITS.maximum - size
    return total


def steady_function(sizes):
    total = 0
    for size in sizes:
        total += math.sqrt(size)
    return total


def steady_of_method(self, sizes):
    for size in sizes:
        self.config.limits.check(size)


def steady_shared(config):
    def inner(sizes):
        total = 0
        for size in sizes:
            total += config.limits.maximum
        return total

    return inner


def steady_in_while(self, clock):
    while clock() < self.config.deadline:
        pass


def steady_none_short(self, sizes):
    total = 0
    for size in sizes:
        total += self.maximum
    return total


def steady_none_method(limits, sizes):
    for size in sizes:
        limits.all.check(size)


def steady_up_to_changed(self, sizes):
    for size in sizes:
        if size > self.config.limits.maximum:
            self.config.limits.maximum += 3


def steady_up_to_other_object(self, other, sizes):
    for size in sizes:
        if size > self.config.limits.maximum:
            other.maximum = size


def steady_none_base(self, sizes):
    for size in sizes:
        if size > self.config.limits.maximum:
            self = size


def steady_none_item(sizes):
    total = 0
    for size in sizes:
        total += size.limits.maximum
    return total


def steady_none_global(sizes):
    global LIMITS
    for size in sizes:
        if size > LIMITS.maximum:
            LIMITS = size


def steady_none_deleted(self, sizes):
    for size in sizes:
        if size > self.config.limits.maximum:
            del self.config.limits


def steady_none_subscript(self, sizes):
    total = 0
    for size in sizes:
        total += self.limits[size].maximum
    return total


def steady_none_outer(self, groups):
    for group in groups:
        if group > self.config.limits.maximum:
            for size in group:
                print(size)
