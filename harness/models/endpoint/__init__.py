"""The endpoint worker: `python -m harness.models.endpoint FOLDER` asks a server in place of a model that it loads.

Any server with OpenAI's interface will do. Nothing here imports torch.

client       requests by OpenAI's own client, and what went wrong in words
completions  a conversation -> the server's answer, in the form that is wanted
asks         asks -> answers, many requests at once; each answer is kept as soon as it is there
"""
