"""From requirements to versions: one question to the resolver, or the whole space of them."""
