import asyncio

from langchain.tools import ToolRuntime
from langchain_core.tools import tool

from bridge import CallContext, ToolError, policy

from ._orders import ORDERS, orders_of

SECONDS = 3.0  # a courier's website is about this slow


@policy(read_only=True)
@tool
async def track_delivery(order_number: str, runtime: ToolRuntime[CallContext]) -> str:
    """Track a delivery: ask the courier where the parcel of an order is right now.

    Give the order number, such as 1042. This takes a few seconds.
    """
    context = runtime.context
    mine = orders_of(context.call.caller, context.metadata.get("customer_id"))
    if order_number not in {order.number for order in mine}:
        raise ToolError("That is not an order of this caller. Use my_orders to find theirs.")
    await context.say("One moment, I'm asking the courier.")
    await asyncio.sleep(SECONDS)
    order = next(order for order in ORDERS if order.number == order_number)
    return f"The courier says that {order.item} is {order.status}."
