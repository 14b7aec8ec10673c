"""From a cell to a lock, and from requirements to an answer: one, or the whole space of them."""
