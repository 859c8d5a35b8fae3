"""Mirrors files with urllib3's pool, four at a time over four connections."""

import threading

import own_clocks
import urllib3
from peers import Peer


class Mirror:
    def __init__(self, url):
        self.pool = urllib3.PoolManager(maxsize=4)
        self.url = url
        self.files = {}

    def copy(self, name):
        self.files[name] = self.pool.request("GET", self.url + name).data  # here

    def run(self, names):
        while True:
            for name in names:
                self.copy(name)


def main():
    mirror = Mirror(Peer("http", 0.12).url)
    threads = [
        threading.Thread(target=mirror.run, args=(["/%d/%d" % (k, n) for n in range(9)],), daemon=True)
        for k in range(4)
    ]
    for thread in threads:
        thread.start()
    own_clocks.ready()
    threads[0].join()


main()
