"""Ten tools of ordinary size, for models that must be told of them. None does anything."""

from langchain_core.tools import StructuredTool
from pydantic import BaseModel, Field

_NAMES = (
    "find_customer",
    "list_appointments",
    "book_appointment",
    "move_appointment",
    "cancel_appointment",
    "check_stock",
    "price_of",
    "order_part",
    "open_ticket",
    "opening_hours",
)


class Asked(BaseModel):
    """What every one of them wants to know."""

    customer: str = Field("", description="Number of the customer, as printed on the invoice.")
    vehicle: str = Field("", description="Number plate or model of the car this is about.")
    day: str = Field("", description="Day as YYYY-MM-DD; leave it out for today.")
    count: int = Field(1, description="How many, where that means something.")


async def _answer(customer: str = "", vehicle: str = "", day: str = "", count: int = 1) -> str:
    del customer, vehicle, day, count
    return "ok"


TOOLS = [
    StructuredTool.from_function(
        coroutine=_answer,
        name=name,
        description=f"{name.replace('_', ' ').capitalize()}, as the garage's own system knows it.",
        args_schema=Asked,
    )
    for name in _NAMES
]
