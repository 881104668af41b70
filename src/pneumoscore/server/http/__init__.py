"""Requests and answers: pages, the JSON API, and who may ask for what."""
