"""Commuters from outside."""
