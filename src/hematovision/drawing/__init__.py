"""Smears that are drawn where no photo is at hand: made by code, and labelled as what they are."""
