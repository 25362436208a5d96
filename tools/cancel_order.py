from langchain.tools import ToolRuntime
from langchain_core.tools import tool

from bridge.toolkit import CallContext, ToolError, policy

from ._orders import cancel, orders_of


@policy(confirm="Shall I cancel order {order_number}?")
@tool
def cancel_order(order_number: str, runtime: ToolRuntime[CallContext]) -> str:
    """Cancel an order of the caller's, by its number, such as 1057.

    The caller is asked before anything is done: do not ask them yourself.
    """
    # This line is reached only after the bridge has asked, and the caller has agreed.
    context = runtime.context
    mine = orders_of(context.call.caller, context.metadata.get("customer_id"))
    order = next((order for order in mine if order.number == order_number), None)
    if order is None:
        raise ToolError("That is not an order of this caller. Use my_orders to find theirs.")
    if "packed" not in order.status:
        raise ToolError(f"It is too late: {order.item} is {order.status}.")
    cancel(order)
    return f"Order {order.number}, {order.item}, is cancelled."
