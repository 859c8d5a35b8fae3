"""Statistics of an access log: a regular expression for each line."""

import re

import own_clocks

LINE = re.compile(
    r'(?P<host>\S+) \S+ (?P<user>\S+) \[(?P<when>[^\]]+)\] "(?P<verb>\w+) (?P<path>[^"]*?) HTTP/[\d.]+" '
    r'(?P<status>\d{3}) (?P<size>\d+|-) "(?P<referrer>(?:[^"\\]|\\.)*)" "(?P<agent>(?:[^"\\]|\\.)*)"$'
)


def statistics(lines):
    hits = {}
    for line in lines:
        match = LINE.match(line)  # here
        if match:
            hits[match["status"]] = hits.get(match["status"], 0) + 1
    return hits


def main():
    agent = "Mozilla/5.0 (X11; Linux x86_64) " * 30
    lines = [
        '10.0.0.%d - ada [10/Oct/2024:13:55:36 +0000] "GET /a/%d HTTP/1.1" 200 %d "http://x/%s" "%s"'
        % (n % 255, n, n * 7, "q" * 600, agent)
        for n in range(500)
    ]
    own_clocks.ready()
    while True:
        statistics(lines)


main()
