"""Adds up orders through SQLAlchemy, whose lazy attribute asks the database for each."""

import own_clocks
import sqlalchemy
from sqlalchemy import orm

Base = orm.declarative_base()


class Order(Base):
    __tablename__ = "orders"
    id = sqlalchemy.Column(sqlalchemy.Integer, primary_key=True)
    lines = orm.relationship("Line")


class Line(Base):
    __tablename__ = "lines"
    id = sqlalchemy.Column(sqlalchemy.Integer, primary_key=True)
    order_id = sqlalchemy.Column(sqlalchemy.ForeignKey("orders.id"))
    cents = sqlalchemy.Column(sqlalchemy.Integer)


def turnover(session):
    total = 0
    for order in session.query(Order):  # here
        for line in order.lines:  # here
            total += line.cents  # here
    return total


def main():
    engine = sqlalchemy.create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with orm.Session(engine) as session:
        for _ in range(100):
            session.add(Order(lines=[Line(cents=n) for n in range(5)]))
        session.commit()
    own_clocks.ready()
    while True:
        with orm.Session(engine) as session:
            turnover(session)


main()
