from langchain.tools import ToolRuntime
from langchain_core.tools import tool

from bridge import CallContext, ToolError, policy

from ._orders import orders_of


@policy(read_only=True)
@tool
def my_orders(runtime: ToolRuntime[CallContext]) -> str:
    """Look up the caller's own orders and where each order is now.

    It needs no arguments: it knows who is calling.
    """
    # Who is asking comes from the call, never from the model: a caller can talk a model into
    # any argument, and would hear somebody else's orders.
    context = runtime.context
    found = orders_of(context.call.caller, context.metadata.get("customer_id"))
    if not found:
        raise ToolError("There are no orders for this caller's number. Offer to take a message.")
    return "; ".join(f"Order {order.number}, {order.item}: {order.status}" for order in found)
