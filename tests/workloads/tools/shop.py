"""A small shop for gunicorn: a page from a template, a list from SQLite, an answer in JSON."""

import sqlite3

from flask import Flask, jsonify, render_template_string

PAGE = """<!doctype html><title>{{ title }}</title><ul>
{% for article in articles %}<li class="{{ loop.cycle('odd', 'even') }}">{{ article.name }}: {{ "%.2f"|format(article.cents / 100) }}</li>
{% endfor %}</ul>"""
ARTICLES = [{"name": "article <%d>" % n, "cents": n * 137 % 9973} for n in range(200)]

app = Flask(__name__)


def stock():
    database = sqlite3.connect(":memory:")
    database.execute("create table stock (article integer primary key, pieces integer)")
    database.executemany("insert into stock values (?, ?)", ((n, n * 7 % 50) for n in range(500)))
    return database


@app.get("/")
def page():
    return render_template_string(PAGE, title="Everything", articles=ARTICLES)


@app.get("/stock")
def low():
    with stock() as database:
        return jsonify(database.execute("select * from stock where pieces < 9 order by pieces").fetchall())


@app.get("/articles/<int:number>")
def article(number):
    return jsonify(ARTICLES[number % len(ARTICLES)])
