"""Instructions in an order that keeps few values in registers.

A program says what happens to all rows of an array, one operation after the other, so that all of its rows are alive between two
operations, and leave the registers. Written down row by row, what one row needs is worked out just before it is stored.
"""

from typing import Any

from llvmlite import ir


def put_in_order_of_use(block: Any) -> None:
    """Put the instructions of a block that has no branch yet in the order in which its stores need them.

    What is stored where something is still to be read waits for that. Other stores and loads may not share memory.
    """
    block.instructions[:] = _in_order_of_use(list(block.instructions))


def _in_order_of_use(instructions: list) -> list:
    inside = set(instructions)
    first = [x for x in instructions if isinstance(x, ir.PhiInstr)]
    loads: dict[Any, list] = {}
    for x in instructions:
        if isinstance(x, ir.LoadInstr):
            loads.setdefault(x.operands[0], []).append(x)
    ordered, placed = first, set(first)

    def place(wanted: Any) -> None:
        waiting = [wanted]
        while waiting:
            needed = [x for x in reversed(waiting[-1].operands) if x in inside and x not in placed]
            if needed:
                waiting.extend(needed)
                continue
            found = waiting.pop()
            if found not in placed:
                placed.add(found)
                ordered.append(found)

    for store in (x for x in instructions if isinstance(x, ir.StoreInstr)):
        for load in loads.get(store.operands[1], []):
            place(load)
        place(store)
    for x in instructions:
        place(x)
    return ordered
