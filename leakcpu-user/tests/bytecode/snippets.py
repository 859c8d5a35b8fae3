"""Loops with a known judgement: the first word of a function's name.

spin, poll, work, unknown. A function with `quiet` as its second word has a way round on
which nothing outlives an iteration, though the loop does more; of others that are work or
unknown it is not asked. Each function has one loop, or its outermost one is meant.
"""

import asyncio
import collections
import hashlib
import heapq
import math
import os
import queue
import random
import time
from queue import Empty
from time import monotonic, sleep

flag = False
counter = 0


def spin_local_flag(done):
    while not done:
        pass


def spin_global_flag():
    while not flag:
        pass


def spin_attribute_flag(self):
    while not self.stopped:
        pass


def spin_cell_flag():
    done = False

    def finish():
        nonlocal done
        done = True

    finish()
    while not done:
        pass


def spin_forever():
    while True:
        pass


def spin_until_time(deadline):
    while time.time() < deadline:
        pass


def spin_until_elapsed(seconds):
    start = monotonic()
    while monotonic() - start < seconds:
        pass


def spin_sum_of_times(start, timeout):
    while time.perf_counter() < start + timeout:
        continue


def spin_event(event):
    while not event.is_set():
        pass


def spin_queue_empty(self):
    while self.queue.empty():
        pass
    return self.queue.get()


def spin_get_nowait(jobs):
    while True:
        try:
            item = jobs.get_nowait()
            break
        except Empty:
            continue
    return item


def spin_get_without_block(jobs):
    while True:
        try:
            return jobs.get(block=False)
        except queue.Empty:
            pass


def spin_acquire(lock):
    while not lock.acquire(False):
        pass


def spin_acquire_by_name(lock):
    while True:
        if lock.acquire(blocking=False):
            break


def spin_is_alive(thread):
    while thread.is_alive():
        pass


def spin_future(future):
    while not future.done():
        pass
    return future.result()


def spin_value_of_this_round(future):
    while True:
        is_done = future.done()
        if is_done:
            break


def spin_value_of_last_round(future):
    is_done = False
    while not is_done:
        is_done = future.done()


def spin_two_rounds(future):
    before = now = False
    while not before:
        before = now
        now = future.done()


def spin_dict_get(table):
    while True:
        job = table.get("job")
        if job is not None:
            return job


def spin_item(table):
    while table["state"] != "ready":
        pass


def spin_missing_item(table):
    while True:
        try:
            job = table["job"]
        except KeyError:
            continue
        return job


def spin_length(items, count):
    while len(items) < count:
        pass


def spin_under_lock(self):
    while True:
        with self._lock:
            if self.items:
                break


def spin_poll_child(child):
    while child.poll() is None:
        pass


def spin_file(path):
    while not os.path.exists(path):
        pass


def spin_clock_and_flag(self):
    start = time.monotonic()
    while not self.ready:
        if time.monotonic() - start > 5:
            raise TimeoutError("not ready in %d s" % 5)


def spin_caught(event):
    while True:
        try:
            if event.is_set():
                return
        except AttributeError as error:
            if error.args == ("x",):
                raise


def poll_sleep(event):
    while not event.is_set():
        time.sleep(0.001)


def poll_sleep_zero(task):
    while not task.done():
        sleep(0)


def poll_sleep_until(deadline):
    while True:
        now = monotonic()
        if now >= deadline:
            break
        sleep(min(0.001, deadline - now))


def poll_sched_yield(event):
    while not event.is_set():
        os.sched_yield()


async def poll_asyncio(event):
    while not event.is_set():
        await asyncio.sleep(0)


def work_quiet_counter_with_cap(event, limit):
    count = 0
    while not event.is_set():
        if event.full():
            count += 1
            if count > limit:
                raise TimeoutError


def work_counter(event):
    count = 0
    while not event.is_set():
        count += 1
    return count


def work_capped_counter(event, limit):
    tries = 0
    while not event.is_set():
        tries += 1
        if tries > limit:
            raise TimeoutError


def work_statistics(self, event):
    while not event.is_set():
        self.rounds += 1


def work_global():
    global counter
    while not flag:
        counter = counter + 1


def work_quiet_popleft(jobs, handle):
    while True:
        if jobs:
            handle(jobs.popleft())


def work_quiet_get_nowait(jobs, handle):
    while True:
        try:
            item = jobs.get_nowait()
        except queue.Empty:
            continue
        handle(item)


def work_quiet_tick(event):
    last = time.time()
    while not event.is_set():
        now = time.time()
        if now - last > 1:
            last = now
            print("still waiting")


def work_quiet_acquire(lock, table):
    while table.get("open"):
        if lock.acquire(False):
            table["n"] = 1
            lock.release()


def work_drain(stack):
    while stack:
        stack.pop()


def work_heap(heap):
    while heap:
        heapq.heappop(heap)


def work_empty_benchmark():
    for _ in range(1000000):
        pass


def work_sum(numbers):
    total = 0
    i = 0
    while i < len(numbers):
        total += numbers[i]
        i += 1
    return total


def work_linked_list(node):
    while node.parent is not None:
        node = node.parent
    return node


def work_ends_itself(text):
    while not text:
        text = "ok"
        continue


def work_quiet_first_round(event):
    first = True
    while not event.is_set():
        if first:
            first = False


def work_swap(a, b):
    while b:
        a, b = b, a % b
    return a


def work_state_machine(event):
    state = 1
    while not event.is_set():
        if state == 1:
            state = 2
        elif state == 2:
            state = 3
        else:
            state = 1


def work_newton(x):
    while True:
        better = x - (x * x - 2) / (2 * x)
        if abs(better - x) < 1e-30:
            return better
        x = better


def work_rotate(items, event):
    while not event.is_set():
        items.rotate(1)


def work_next(items, event):
    while not event.is_set():
        next(items)


def work_hash(state, event):
    while not event.is_set():
        state.update(b"x")


def work_read(file):
    while not file.closed:
        file.read(1)


def work_yield(event):
    while not event.is_set():
        yield


def work_item(table, event):
    while not event.is_set():
        table["x"] = 1


def work_delete(table):
    while "x" in table:
        del table["x"]


def work_shift(n):
    bits = 0
    while n:
        n >>= 1
        bits += 1
    return bits


def work_monte_carlo(deadline):
    hits = 0
    while time.time() < deadline:
        x = random.random()
        y = random.random()
        if x * x + y * y < 1:
            hits += 1
    return hits


def unknown_proof_of_work(data, target):
    while True:
        nonce = os.urandom(8)
        if hashlib.sha256(data + nonce).digest() < target:
            return nonce


def unknown_random_restart(good):
    while True:
        candidate = random.random()
        if good(candidate):
            return candidate


def unknown_callback(event, step):
    while not event.is_set():
        step()


def unknown_function(done):
    while not done():
        pass


def unknown_burn(deadline, x):
    while time.time() < deadline:
        math.sqrt(x)


def unknown_arithmetic(deadline, x, y):
    while time.time() < deadline:
        x ** y


def unknown_in_place(deadline, items, more):
    while time.time() < deadline:
        same = items
        same += more


def unknown_blocking_get(jobs):
    while True:
        if jobs.get() is None:
            break


def unknown_condition(condition, ready):
    while not ready.done():
        condition.wait()


def unknown_context(manager, event):
    while not event.is_set():
        with manager:
            pass


def unknown_lost_attempt(lock, event):
    while not event.is_set():
        lock.acquire(False)


def unknown_inner(event, items):
    while not event.is_set():
        for item in items:
            if item.done():
                return


def unknown_spread(event, step, arguments):
    while not event.is_set():
        step(*arguments)


async def unknown_await(event, other):
    while not event.is_set():
        await other


def work_deque(event):
    seen = collections.deque(maxlen=10)
    while not event.is_set():
        seen.append(event)


# Whole functions: what a call of them does. The first word: `looks` (nothing that outlives
# it), `raises` (nothing if it raises), `acts` (something, or it is not known).


def looks_attribute(self):
    return self.stopped


def looks_length(self):
    return not len(self.items)


def looks_with_lock(self):
    with self.lock:
        return self.closed


def looks_out_of_lock(self, *args):
    return self._lock.__exit__(*args)


def looks_deadline(deadline):
    left = deadline - time.monotonic()
    return left <= 0


def looks_unless_told(self):
    if self.told:
        self.answer = 42
    return self.told


def raises_take(jobs):
    return jobs.get_nowait()


def raises_when_empty(self):
    if not self.items:
        raise Empty
    self.count += 1
    return self.items


def acts_attribute(self):
    self.count += 1
    return self.count


def acts_take(jobs):
    job = jobs.read()
    return job


def acts_digest(data):
    return hashlib.sha256(data).hexdigest()


def acts_append(seen, item):
    seen.append(item)


def acts_spread(self, *args):
    return self.step(*args)


def acts_yield(items):
    yield items


def acts_count(items):
    return sum(1 for item in items if item.done())
