"""Blinded reader studies: made, read, locked, unblinded, handed on."""
