"""Functions with one instruction each that `operations.rs` asks about."""

flag = False


def member(items, self):
    for item in items:
        if item in self.known:
            return item


def member_in_try(items, known):
    for item in items:
        try:
            if item in known:
                return item
        except ValueError:
            continue


def member_in_with(items, known, lock):
    with lock:
        for item in items:
            if item in known:
                return item


def member_in_generator(items, known):
    for item in items:
        if item in known:
            yield item


def member_nested(items, known):
    for item in items:
        for other in item:
            if other in known:
                return other


def add_in_place(numbers):
    total = 0
    for number in numbers:
        total += number
    return total


def add_to_itself(parts):
    text = ""
    for part in parts:
        text = text + part
    return text


def add_to_attribute(self, parts):
    for part in parts:
        self.text += part


def add_to_global(parts):
    global flag
    while parts:
        flag += parts


def add_two(one, other):
    return one + other


def add_to_another(one, other):
    found = one + other
    return found


def compare_in_main_loop(deadline, clock):
    while True:
        if clock < deadline:
            return


def take(jobs):
    return jobs.get(timeout=1.0)


def take_of_attribute(self):
    return self.jobs.get(self.key(), True)


def take_by_function(get, jobs):
    return get(jobs, jobs.timeout)
