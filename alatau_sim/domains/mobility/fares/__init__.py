"""Fares."""
