"""Reads pictures and videos, and finds and crops the faces in them."""
