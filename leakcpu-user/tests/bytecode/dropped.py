"""Functions that `dropped.rs` asks about: the calls whose results they drop."""


def drops_method(mailer, order):
    mailer.confirm(order)


def drops_attribute(self, order):
    self.mailer.confirm(order if order else self.other, copy=True)


def drops_global(order):
    confirm(order)


async def drops_in_coroutine(mailer, order):
    mailer.confirm(order)
    await mailer.wait(order)


def drops_none_result(mailer, order):
    mailer.get(order)(order)


def drops_none_kept(mailer, order):
    kept = mailer.confirm(order)
    return kept
