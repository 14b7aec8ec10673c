"""From a cell and its lock to what a person types: pure text, nothing is run and nothing asked."""
