"""The wall between the session and its worker processes: what crosses it, and the worker's side of it.

places     where a model's weights are
messages   tasks, requests, answers, errors: frozen values, written as JSON
child      a worker's first and last steps

Both sides import this room; it imports neither.
"""
