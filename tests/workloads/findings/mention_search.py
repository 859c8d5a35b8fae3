"""Finds which users a message of a chat mentions."""

import re

from shared import modes, ratio, ready

USERS = ["user.%s%d" % ("abcdefgh"[n % 8], n) for n in range(800)]
MESSAGE = "thanks @user.c10 and @user.h7, could @user.a400 look at the report of today? " * 2
LONG_MESSAGE = MESSAGE * 400
MENTION = re.compile(r"@(user\.[a-h]\d+)\b(?=.*\?)", re.S)


def mentioned(users, message):
    found = []
    for user in users:
        if re.search(r"@%s\b" % re.escape(user), message):  # here
            found.append(user)
    return found


def compile_all(users):
    return [(user, re.compile(r"@%s\b" % re.escape(user))) for user in users]


def mentioned_compiled(patterns, message):
    found = []
    for user, pattern in patterns:
        if pattern.search(message):
            found.append(user)
    return found


def all_mentions(message):
    return MENTION.findall(message)


def main(work, *arguments):
    ready()
    while True:
        work(*arguments)


modes(
    {
        "slow": lambda: main(mentioned, USERS, MESSAGE),
        "fixed": lambda: main(mentioned_compiled, compile_all(USERS), MESSAGE),
        "precompiled": lambda: main(all_mentions, LONG_MESSAGE),
        "few_patterns": lambda: main(mentioned, USERS[:20], LONG_MESSAGE),
        "ratio": lambda: ratio(
            lambda: mentioned(USERS, MESSAGE),
            lambda patterns=compile_all(USERS): mentioned_compiled(patterns, MESSAGE),
        ),
    }
)
