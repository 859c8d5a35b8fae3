"""Adds up the orders of customers through SQLAlchemy, whose lazy attribute asks PostgreSQL for each."""

import os

import psycopg
import sqlalchemy
from sqlalchemy import orm, pool

from shared import modes, ratio, ready

Base = orm.declarative_base()


class Customer(Base):
    __tablename__ = "customers"
    __table_args__ = {"prefixes": ["TEMPORARY"]}
    id = sqlalchemy.Column(sqlalchemy.Integer, primary_key=True)
    orders = orm.relationship("Order")


class Order(Base):
    __tablename__ = "orders"
    __table_args__ = {"prefixes": ["TEMPORARY"]}
    id = sqlalchemy.Column(sqlalchemy.Integer, primary_key=True)
    customer_id = sqlalchemy.Column(sqlalchemy.ForeignKey("customers.id"), index=True)
    cents = sqlalchemy.Column(sqlalchemy.Integer)


def connect():
    # Temporary tables last as long as their connection, of which there is one.
    engine = sqlalchemy.create_engine(
        "postgresql+psycopg://",
        creator=lambda: psycopg.connect(os.environ["PYOBSERVE_CORPUS_POSTGRES"]),
        poolclass=pool.StaticPool,
    )
    Base.metadata.create_all(engine)
    with orm.Session(engine) as session:
        for _ in range(100):
            session.add(Customer(orders=[Order(cents=n) for n in range(3)]))
        session.commit()
    return engine


def turnover(engine):
    total = 0
    with orm.Session(engine) as session:
        for customer in session.query(Customer):
            for order in customer.orders:  # here
                total += order.cents
    return total


def turnover_loaded(engine):
    total = 0
    with orm.Session(engine) as session:
        for customer in session.query(Customer).options(orm.selectinload(Customer.orders)):
            for order in customer.orders:
                total += order.cents
    return total


def turnover_joined(engine):
    total = 0
    with orm.Session(engine) as session:
        for customer in session.query(Customer).options(orm.joinedload(Customer.orders)):
            for order in customer.orders:
                total += order.cents
    return total


def main(work, engine):
    ready()
    while True:
        work(engine)


def compare(engine):
    ratio(lambda: turnover(engine), lambda: turnover_loaded(engine))


modes(
    {
        "slow": lambda: main(turnover, connect()),
        "fixed": lambda: main(turnover_loaded, connect()),
        "joined": lambda: main(turnover_joined, connect()),
        "ratio": lambda: compare(connect()),
    }
)
