"""APScheduler in the background with a job that is due at midnight."""

import threading

import own_clocks
from apscheduler.schedulers.background import BackgroundScheduler


def close_the_books():
    pass


def main():
    scheduler = BackgroundScheduler(timezone="UTC")
    scheduler.add_job(close_the_books, "cron", hour=0)
    scheduler.start()
    own_clocks.ready()
    threading.Event().wait()


main()
