"""A stand-in for your own database. Files that start with _ are shared code, not tools."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Order:
    number: str
    phone: str
    customer: str
    item: str
    status: str


ORDERS = (
    Order("1042", "+15550100", "c-1", "a desk lamp", "on its way, arriving tomorrow"),
    Order("1057", "+15550100", "c-1", "two reading chairs", "being packed"),
    Order("1061", "+15550199", "c-2", "a bookshelf", "delivered last Friday"),
)

CANCELLED: set[str] = set()  # your database has a column for it


def cancel(order: Order) -> None:
    """Cancel an order."""
    CANCELLED.add(order.number)


def orders_of(phone: str | None, customer: object) -> list[Order]:
    """Find orders by the caller's number, or by the customer id in the call's metadata."""
    return [
        order
        for order in ORDERS
        if order.number not in CANCELLED
        and ((phone and order.phone == phone) or (customer and order.customer == customer))
    ]
