"""Adds up books through Django's lazy attribute, from SQLite in memory: many queries, no round trip."""

import django
from django.conf import settings
from django.db import connection, models

from shared import modes, ready

settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
)
django.setup()


class Author(models.Model):
    born = models.IntegerField()

    class Meta:
        app_label = "library"


class Book(models.Model):
    author = models.ForeignKey(Author, on_delete=models.CASCADE)
    pages = models.IntegerField()

    class Meta:
        app_label = "library"


def fill():
    with connection.schema_editor() as editor:
        editor.create_model(Author)
        editor.create_model(Book)
    for n in range(100):
        Book.objects.create(author=Author.objects.create(born=1900 + n), pages=100 + n)


def oldest():
    born = 9999
    for book in Book.objects.all():
        born = min(born, book.author.born)
    return born


def main():
    fill()
    ready()
    while True:
        oldest()


modes({"sqlite": main})
