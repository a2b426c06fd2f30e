"""Rows built from what others publish: questions and answers of Stack Exchange, papers of arXiv.

dump, api       posts of a site: from its dump, by its API  } stackexchange: posts -> questions with their answer
readable        HTML of posts -> text                       }
arxiv           papers: from the snapshot, by the API
pages           pages of an API: asked for politely, and kept
output          the file of rows
extra           whether the libraries are installed
"""
