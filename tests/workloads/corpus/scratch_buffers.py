"""Maps a scratch buffer for each job, touches its pages, and gives it back."""

import mmap

import own_clocks

SIZE = 8 << 20
PAGE = mmap.PAGESIZE
MARKS = b"x" * (SIZE // PAGE)


def job():
    with mmap.mmap(-1, SIZE) as scratch:
        scratch[::PAGE] = MARKS  # here


def main():
    own_clocks.ready()
    while True:
        job()


main()
