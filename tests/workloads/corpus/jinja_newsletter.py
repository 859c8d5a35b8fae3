"""Renders a newsletter with Jinja: compiled templates without a file of their own."""

import jinja2
import own_clocks

TEMPLATE = jinja2.Template(
    "{% for a in articles %}<h2>{{ a.title|upper }}</h2>"
    "{% if a.new %}<b>new</b>{% endif %}{{ a.text|replace('x', 'y')|e }}{% endfor %}"
)


def newsletter(articles):
    return TEMPLATE.render(articles=articles)  # here


def main():
    articles = [{"title": "t%d" % n, "new": n % 3, "text": "x<%d>" % n} for n in range(400)]
    own_clocks.ready()
    while True:
        newsletter(articles)


main()
