"""What the session and its worker processes exchange, and how a worker begins and ends.

places     where a model's weights are
messages   tasks, requests, answers, errors: frozen values, written as JSON
child      a worker's first and last steps
failures   a device's errors, with what to do
sizes      a model's weights, and the memory that training them takes

Both sides import this folder; it imports neither of them.
"""
