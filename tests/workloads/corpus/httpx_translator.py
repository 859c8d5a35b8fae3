"""Sends texts to a slow translation service with httpx."""

import httpx
import own_clocks
from peers import Peer


class Translator:
    def __init__(self, url):
        self.client = httpx.Client(base_url=url)

    def translate(self, text):
        with own_clocks.waiting("network"):
            answer = self.client.get("/translate", params={"q": text})  # here
        return answer.json()


def main():
    translator = Translator(Peer("http", 0.1).url)
    texts = ["guten Tag", "auf Wiedersehen"]
    own_clocks.ready()
    while True:
        texts.append(texts.pop(0))
        translator.translate(texts[0])


main()
