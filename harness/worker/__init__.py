"""What the session and its worker processes exchange, and how a worker begins and ends.

places     where a model's weights are
messages   tasks, requests, answers, errors: frozen values, written as JSON
child      a worker's first and last steps

Both sides import this folder; it imports neither of them.
"""
