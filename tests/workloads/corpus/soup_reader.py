"""Reads articles out of HTML with Beautiful Soup and the standard library's parser."""

import bs4
import own_clocks


class Reader:
    def __init__(self):
        self.words = 0

    def read(self, html):
        soup = bs4.BeautifulSoup(html, "html.parser")  # here
        for paragraph in soup.find_all("p"):  # here
            self.words += len(paragraph.get_text().split())  # here


def main():
    html = "<html><body>%s</body></html>" % "".join(
        "<div class='a'><p>Text <b>number</b> %d &amp; more</p></div>" % n for n in range(200)
    )
    reader = Reader()
    own_clocks.ready()
    while True:
        reader.read(html)


main()
