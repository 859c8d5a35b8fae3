"""Scores leads with three threads, for speed; the GIL lets one of them."""

import threading

import own_clocks


class Scorer(threading.Thread):
    def __init__(self, leads):
        super().__init__(daemon=True)
        self.leads = leads
        self.best = 0

    def run(self):
        while True:
            for lead in self.leads:
                self.best = max(self.best, self.score(lead))

    def score(self, lead):
        score = 0
        for letter in lead:  # here
            score = (score * 131 + ord(letter)) % 65521  # here
        return score


def main():
    scorers = [Scorer(["lead %d of %d, Berlin" % (n, k) for n in range(500)]) for k in range(3)]
    for scorer in scorers:
        scorer.start()
    own_clocks.ready()
    scorers[0].join()


main()
