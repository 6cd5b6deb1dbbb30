"""Attacks on our own doors with what nobody would think of; `make fuzz` runs them."""
